"""The nights of one machine: what infra/README.md makes is what the crontab uses, and its lines do what they say."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harvest.dataset.read import Dataset
from workflows.config import load_config

ROOT = Path(__file__).resolve().parents[2]
CRON = ROOT / "infra/cron"
HOME, LOGS = "/srv/castmine", "/var/log/castmine"
CRONTAB = (CRON / "castmine.crontab").read_text()
LINES = [line for line in CRONTAB.splitlines() if line[:1].isdigit()]
SETTINGS = dict(line.split("=", 1) for line in CRONTAB.splitlines() if re.match(r"[A-Z]+=", line))
NIGHT, SUNDAY = (line.split(maxsplit=6)[6] for line in LINES)


def recipe() -> list[str]:
    """What an operator types, of the README."""
    text = (ROOT / "infra/README.md").read_text()
    section = text[text.index("\n## One machine\n") : text.index("\n## A Ray cluster\n")]
    return [line.split("  #")[0].strip() for line in section.splitlines() if line.startswith("    ")]


def test_the_crontab_has_a_schedule_a_user_and_a_command() -> None:
    assert len(LINES) == 2
    for line in LINES:
        *schedule, user, command = line.split(maxsplit=6)
        assert all(re.fullmatch(r"[\d*/,-]+", part) for part in schedule), line
        assert user == "castmine"
        assert "%" not in command, "cron takes a % for the end of the line"
        assert "2>&1 ||" in command, "cron mails what is printed: heartbeats too, and every night"


def test_all_that_a_night_needs_is_made_before_the_crontab_is_installed() -> None:
    typed = recipe()
    made = [
        rf"useradd .*--user-group --create-home --home-dir {HOME} .* castmine",
        rf"chmod 750 {HOME}$",
        rf"python3\.11 -m venv {HOME}/\.venv",
        rf"{HOME}/\.venv/bin/pip install .*\.\[bundled\]",
        rf"install -d --owner=castmine .*{LOGS}",
        rf"install -m 644 infra/cron/corpus\.yaml {HOME}/corpus\.yaml",
        r"install -m 644 infra/cron/castmine\.logrotate /etc/logrotate\.d/castmine",
        r"castmine doctor --config corpus\.yaml",
        r"castmine corpus --config corpus\.yaml --dry-run",
        r"install -m 644 infra/cron/castmine\.crontab /etc/cron\.d/castmine",
    ]
    assert [bool(re.search(step, line)) for step, line in zip(made, typed, strict=True)] == [True] * len(made), typed
    for file in re.findall(r"infra/\S+", " ".join(typed)):
        assert (ROOT / file).is_file(), file
    assert SETTINGS["PATH"].startswith(f"{HOME}/.venv/bin:")


def test_the_paths_of_the_crontab_are_those_of_the_example_and_of_the_log() -> None:
    example = load_config(CRON / "corpus.yaml")
    assert f"--config {HOME}/corpus.yaml " in NIGHT
    assert f"--dataset {example.corpus.dataset} " in SUNDAY
    for path in (example.corpus.dataset, example.corpus.model, example.corpus.report):
        assert str(path).startswith(f"{HOME}/"), "where castmine may write"
    assert example.run == load_config().run, "one machine has as many workers as cores"
    assert example.corpus.models == "bundled", "which the recipe installs"
    logs = set(re.findall(r"\S+\.log", NIGHT + SUNDAY))
    assert logs == {f"{LOGS}/nightly.log"}
    assert f"{LOGS}/*.log {{" in (CRON / "castmine.logrotate").read_text()


def as_cron_does(command: str, machine: Path) -> "subprocess.CompletedProcess[str]":
    """Run a line of the crontab with the few variables that cron gives, its folders being those of `machine`."""
    here = {HOME: f"{machine}{HOME}", LOGS: f"{machine}{LOGS}"}
    for theirs, ours in here.items():
        command = command.replace(theirs, ours)
    environment = {"HOME": here[HOME], "LOGNAME": "castmine", "SHELL": SETTINGS["SHELL"]}
    environment["PATH"] = SETTINGS["PATH"].replace(HOME, here[HOME])
    ran = [SETTINGS["SHELL"], "-c", command]
    return subprocess.run(ran, env=environment, cwd="/", capture_output=True, text=True, timeout=400, check=False)


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """What the recipe makes, but for the user and the corpus."""
    for folder in (HOME, LOGS):
        (tmp_path / folder[1:]).mkdir(parents=True)
    (tmp_path / HOME[1:] / ".venv").symlink_to(Path(sys.executable).parents[1])
    return tmp_path


def log(machine: Path) -> Path:
    return machine / LOGS[1:] / "nightly.log"


def test_a_night_that_fails_mails_the_end_of_its_log_and_no_heartbeat(machine: Path) -> None:
    log(machine).write_text('{"frames": 7}\n')
    ran = as_cron_does(NIGHT, machine)
    assert ran.stderr == ""
    assert ran.stdout == f"error: {machine}{HOME}/corpus.yaml: No such file or directory\n"
    assert ran.stdout in log(machine).read_text()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_nights_and_a_sunday_on_a_real_clip_mail_nothing_and_the_log_is_turned(
    machine: Path, clips: Path, pack_folder: Path
) -> None:
    movies, home = machine / "movies", machine / HOME[1:]
    movies.mkdir()
    shutil.copyfile(clips / "street.mp4", movies / "street.mp4")
    example = (
        (CRON / "corpus.yaml").read_text().replace(HOME, str(home)).replace("models: bundled", f"models: {pack_folder}")
    )
    (home / "corpus.yaml").write_text(example.replace("movies: /movies", f"movies: {movies}"))
    for line in (NIGHT, NIGHT, SUNDAY):
        ran = as_cron_does(line, machine)
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", ""), log(machine).read_text()
    (record,) = Dataset.open(home / "films").records()
    assert record.rows("tracks") == 8
    assert (home / "films-sheets/street.html").exists()
    said = log(machine).read_text()
    assert "1 unchanged" in said
    assert "removed 0 files" in said
    turn(machine)


def turn(machine: Path) -> None:
    """Turn the log with logrotate, where there is one."""
    logrotate = shutil.which("logrotate", path=f"{os.environ['PATH']}:/usr/sbin")
    if not logrotate:
        pytest.skip("needs logrotate, for the last step alone")
    text = (CRON / "castmine.logrotate").read_text().replace(LOGS, f"{machine}{LOGS}")
    (machine / "castmine.logrotate").write_text(re.sub(r" +su castmine castmine\n", "", text))
    (machine / "castmine.logrotate").chmod(0o644)
    before = log(machine).read_text()
    command = [logrotate, "--force", "--state", machine / "state", machine / "castmine.logrotate"]
    ran = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert log(machine).read_text() == ""
    kept = subprocess.run(["gzip", "-dc", f"{log(machine)}.1.gz"], capture_output=True, text=True, check=True)
    assert kept.stdout == before
