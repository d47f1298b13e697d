"""Every castmine command that infra/ and the READMEs tell somebody, or a machine, to run is one that exists."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.infra.commands import commands, of_crontab, of_markdown, of_script, of_yaml, parse

ROOT = Path(__file__).resolve().parents[2]
INFRA, BENCH = ROOT / "infra", ROOT / "tests/bench"


def everywhere() -> Iterator[tuple[str, list[str]]]:
    found = {path: of_yaml(path) for path in INFRA.rglob("*.yaml")}
    found |= {path: of_script(path) for path in (INFRA / "ray/submit.sh", INFRA / "Dockerfile")}
    found |= {path: of_crontab(path) for path in INFRA.rglob("*.crontab")}
    found |= {path: of_markdown(path) for path in (ROOT / "README.md", INFRA / "README.md", BENCH / "README.md")}
    for path, lines in found.items():
        yield from ((f"{path.relative_to(ROOT)}: castmine {' '.join(line)}", line) for line in lines)


COMMANDS = dict(everywhere())


@pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS.keys())
def test_a_command_that_is_written_down_can_be_typed(arguments: list[str]) -> None:
    parse(arguments)


def test_each_file_that_runs_castmine_was_looked_at() -> None:
    looked = {place.split(":")[0] for place in COMMANDS}
    assert looked >= {
        *(f"infra/kuberay/jobs/{stage}.yaml" for stage in ("harvest", "train", "cluster", "report")),
        "infra/kuberay/nightly.yaml",
        "infra/ray/submit.sh",
        "infra/cron/castmine.crontab",
        "infra/README.md",
        "README.md",
        "infra/Dockerfile",
    }


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("castmine config >/dev/null", [["config"]]),
        ("cd x && castmine train -d a && castmine cluster -d a  # why", [["train", "-d", "a"], ["cluster", "-d", "a"]]),
        ('$ castmine harvest "films/*.mp4" \\\n  -d ds', [["harvest", "films/*.mp4", "-d", "ds"]]),
        ("ray job submit -- python -m workflows harvest /m -d /d", [["harvest", "/m", "-d", "/d"]]),
        ("sudo --user=castmine .venv/bin/castmine vacuum -d ds", [["vacuum", "-d", "ds"]]),
        ("castmine status -d ds >> log && castmine config | less", [["status", "-d", "ds"], ["config"]]),
        ("# castmine is a name\nmkdir castmine\ndocker build -t castmine:1 .", []),
    ],
)  # fmt: skip
def test_commands_are_found_as_a_shell_sees_them(text: str, found: list[list[str]]) -> None:
    assert list(commands(text)) == found


def test_a_wrong_option_would_be_found() -> None:
    with pytest.raises(Exception, match="--datasets"):
        parse(["cluster", "--datasets", "d"])
