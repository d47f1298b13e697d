"""Progress where nobody watches: a JSON line at every heartbeat, whatever the work does meanwhile."""

import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from tests.workflows.faults import wait_for
from workflows import console
from workflows.cli import app


def test_a_heartbeat_comes_also_while_one_long_piece_of_work_says_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(console, "HEARTBEAT_S", 0.05)
    with console.meter("cluster", "movies") as shown:
        shown.update(1, 4, "a long one")
        time.sleep(0.3)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert len(lines) >= 2
    assert {(line["heartbeat"], line["done"], line["total"], line["note"]) for line in lines} == {
        ("cluster", 1, 4, "a long one")
    }
    time.sleep(0.1)
    assert not capsys.readouterr().err, "none after the work"


def test_a_json_file_is_replaced_whole_or_left_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, link = tmp_path / "new" / "report.json", tmp_path / "link.json"
    console.write_json(kept, {"movies": 1})
    link.symlink_to(kept)
    with kept.open() as reader:
        console.write_json(link, {"movies": 2})
        assert json.load(reader) == {"movies": 1}, "who reads it meanwhile has all of the old one"
    assert link.is_symlink()
    assert json.loads(kept.read_text()) == {"movies": 2}

    def full(_: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "report.json.tmp")

    monkeypatch.setattr("harvest.whole_files._sync", full)
    with pytest.raises(OSError, match="No space left") as failed:
        console.write_json(kept, {"movies": 3})
    assert failed.value.filename == str(kept)
    assert json.loads(kept.read_text()) == {"movies": 2}
    assert [path.name for path in kept.parent.iterdir()] == ["report.json"]


WRITE = "from pathlib import Path; from workflows.console import write_json; write_json(Path({!r}), {{'movies': 1}})"


def test_json_may_go_into_a_pipe_or_to_standard_output_also_where_that_is_a_file(tmp_path: Path) -> None:
    said = subprocess.run([sys.executable, "-c", WRITE.format("/dev/stdout")], stdout=subprocess.PIPE, check=True)
    assert json.loads(said.stdout) == {"movies": 1}
    with (tmp_path / "out").open("w") as out:
        subprocess.run([sys.executable, "-c", WRITE.format("/dev/stdout")], stdout=out, check=True)
        assert os.fstat(out.fileno()).st_ino == (tmp_path / "out").stat().st_ino, "the same file still"
    assert json.loads((tmp_path / "out").read_text()) == {"movies": 1}
    os.mkfifo(tmp_path / "pipe")
    writing = subprocess.Popen([sys.executable, "-c", WRITE.format(str(tmp_path / "pipe"))])
    assert json.loads((tmp_path / "pipe").read_text()) == {"movies": 1}
    assert writing.wait() == 0


def test_a_log_says_how_long_it_will_take_once_that_is_known(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(console, "HEARTBEAT_S", 0.02)
    lines: list[dict[str, object]] = []

    def said(done: int) -> bool:
        lines.extend(json.loads(line) for line in capsys.readouterr().err.splitlines())
        return bool(lines) and lines[-1]["done"] == done

    with console.meter("harvest", "frames") as shown:
        shown.update(2**-30, 100, "a sign of life")
        assert wait_for(lambda: said(0))
        assert lines[-1]["eta_s"] is None, "nothing follows from it"
        shown.update(50, 100, "half")
        assert wait_for(lambda: said(50))
    assert lines[-1]["eta_s"] == pytest.approx(lines[-1]["elapsed_s"], abs=0.11), "half is done"


@pytest.mark.parametrize(("columns", "missing"), [(40, ["tracks", "WCP"]), (50, ["WCP"]), (80, [])])
def test_a_table_wider_than_the_terminal_leaves_out_its_last_columns_and_breaks_no_id(
    monkeypatch: pytest.MonkeyPatch, columns: int, missing: list[str]
) -> None:
    monkeypatch.setattr(console, "out", Console(width=columns, highlight=False))
    table = console.table_of("movie", "characters", "tracks", "WCP")
    table.add_row("the_long_name_of_a_movie", "12", "3456", "0.912")
    with console.out.capture() as said:
        console.print_table(table)
    shown = said.get()
    assert "the_long_name_of_a_movie           12" in shown
    assert [name for name in ("tracks", "WCP") if f"{name}   " not in shown and f"{name} \n" not in shown] == missing
    assert (f"no room for {', '.join(missing)}: " in " ".join(shown.split())) == bool(missing)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("labels import --help", "place is a box in pixels of the frame at that time, and names the track whose"),
        ("--help", "themselves tell (one track: one person; seen together: different people), and"),
    ],
)
def test_the_paragraphs_of_a_help_fill_the_lines_of_a_narrow_terminal(arguments: str, line: str) -> None:
    assert line in CliRunner().invoke(app, arguments.split(), env={"COLUMNS": "80"}).output


@pytest.mark.parametrize(("number", "said"), [(0, "0 movies"), (1, "1 movie"), (2, "2 movies"), (1000, "1,000 movies")])
def test_one_is_counted_in_the_singular(number: int, said: str) -> None:
    assert console.counted(number, "movie") == said
