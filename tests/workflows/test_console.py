"""What a log shows of a command that takes long: one JSON line a minute."""

import json

import pytest

from tests.workflows.faults import wait_for
from workflows import console
from workflows.console import meter


def test_a_log_gets_lines_that_say_how_long_it_will_take_once_that_is_known(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(console, "HEARTBEAT_S", 0.02)
    lines: list[dict[str, object]] = []

    def said(done: int) -> bool:
        lines.extend(json.loads(line) for line in capsys.readouterr().err.splitlines())
        return bool(lines) and lines[-1]["done"] == done

    with meter("harvest", "frames") as shown:
        shown.update(2**-30, 100, "a sign of life")
        assert wait_for(lambda: said(0))
        assert lines[-1]["eta_s"] is None, "nothing follows from it"
        shown.update(50, 100, "half")
        assert wait_for(lambda: said(50))
    assert lines[-1]["eta_s"] == pytest.approx(lines[-1]["elapsed_s"], abs=0.11), "half is done"
    assert (lines[-1]["heartbeat"], lines[-1]["unit"], lines[-1]["note"]) == ("harvest", "frames", "half")
