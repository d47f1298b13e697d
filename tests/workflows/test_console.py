"""Progress where nobody watches: a JSON line at every heartbeat, whatever the work does meanwhile."""

import json
import time

import pytest

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
