"""Progress where nobody watches: a JSON line at every heartbeat, whatever the work does meanwhile."""

import json
import time

import pytest

from tests.workflows.faults import wait_for
from workflows import console


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
