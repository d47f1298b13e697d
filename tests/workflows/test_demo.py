"""The demo: what counts as fallen short, and the whole of it, twice, with what a newcomer is told."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cluster.metrics import Metrics, score_movie
from harvest.corpus import Movie
from harvest.errors import CastmineError
from workflows.cli import app
from workflows.config import Config
from workflows.demo.movie import DemoMovie
from workflows.demo.run import run_demo, shortfalls
from workflows.harvest.plan import MovieState

MADE = DemoMovie("demo", Path("demo.mp4"), Path("truth.csv"), people=8, frames=1927, shots=35, appearances=52)
PEOPLE = [f"person {number % 8}" for number in range(52)]


def scored(people: list[str]) -> Metrics:
    """The metrics of a clustering that is right about 52 tracks of 8 people."""
    metrics = score_movie([int(name.split()[1]) for name in people], people, [])
    assert metrics
    return metrics


ALL_WELL = scored(PEOPLE)


def harvested(shots: int = 35) -> MovieState:
    return MovieState(
        Movie("demo", "demo.mp4"), "done", rows={"shots": shots, "tracks": 52, "links": 45, "faces": 3274}
    )


CASES = {
    "all is well": (harvested(), ALL_WELL, ""),
    "one shot of 35 is missed: within the floor": (harvested(34), ALL_WELL, ""),
    "two tracks of 52 are missed: within the floor": (harvested(), replace(ALL_WELL, tracks=50), ""),
    "five shots are missed": (harvested(30), ALL_WELL, "30 shots of 35"),
    "shots are cut in two": (harvested(40), ALL_WELL, "40 shots of 35"),
    "ten appearances have no track": (harvested(), replace(ALL_WELL, tracks=42), "42 tracks of people for 52"),
    "tracks are broken": (harvested(), replace(ALL_WELL, tracks=60), "60 tracks of people for 52"),
    "a person has no track": (harvested(), replace(ALL_WELL, identities=7), "7 of 8 people"),
    "two people share a character": (harvested(), replace(ALL_WELL, wcp=0.92), "WCP 0.920"),
    "a person is split over characters": (harvested(), replace(ALL_WELL, v_measure=0.9), "V-measure 0.900"),
    "two faces of one frame are in one character": (harvested(), replace(ALL_WELL, violations=1), "1 cannot-links"),
    "no face was found where a person is": (harvested(), None, "no track lies where a person"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_stage_that_falls_short_is_named(case: str) -> None:
    state, metrics, expected = CASES[case]
    found = shortfalls(MADE, state, metrics)
    assert len(found) == bool(expected)
    assert expected in "".join(found)


def test_a_folder_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CastmineError, match=r"file: cannot be written .*--out"):
        run_demo(tmp_path / "file", Config())


@pytest.mark.slow
def test_the_demo_finds_its_cast_and_a_second_run_harvests_nothing_anew(tmp_path: Path) -> None:
    for expected in ("done", "skipped"):
        ran = CliRunner().invoke(app, ["demo", "--out", str(tmp_path / "d"), "--json", str(tmp_path / "demo.json")])
        assert ran.exit_code == 0, ran.output
        result = json.loads((tmp_path / "demo.json").read_text())
        assert result["fell_short"] == []
        assert result["harvest"]["movies"][0]["state"] == expected
        assert result["train"].startswith("refused")
        (movie,) = result["cluster"]["movies"]
        assert movie["metrics"]["wcp"] >= 0.95
        assert movie["violations"] == 0
        sheet = Path(result["sheet"]).read_text(encoding="utf-8")
        assert "<img" in sheet
        assert not re.search(r"https?://(?!www\.w3\.org)", sheet)
