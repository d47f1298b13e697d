"""`castmine compare`: what it scores, on which movies, what it says where it cannot, its files and its page."""

import csv
import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from cluster.config import ComparisonConfig
from cluster.metrics import score_movie
from harvest.dataset.commit import commit_derived, put_movie_record
from harvest.dataset.read import Dataset
from harvest.dataset.schema import SCHEMAS
from harvest.errors import ConfigError, DatasetError
from tests.train.tracks import Movie
from tests.workflows.test_verify import dataset, two_movies
from workflows.cli import app
from workflows.compare.printed import compare_json, compared
from workflows.compare.run import CompareSummary, compare
from workflows.compare.scored import read_truth, right_tracks
from workflows.compare.write import PAGE, TABLE, TESTS
from workflows.config import Config
from workflows.console import out
from workflows.report.kcurve import k_chart

CONFIG = Config(comparison=ComparisonConfig(draws=500))
HOSTILE = "<script>alert('x')</script>"
CURVE = {"method": "hac", "clusters": [60, 6, 2, 1], "wcp": [1, 0.9, 0.5, 0.3], "nmi": [0.7, 0.9, 0.4, 0]}
SCORES = {"clusters": 6, "identities": 8, "wcp": 0.9, "nmi": 0.9}


def put(root: str, run: str, movie_id: str, labels: list[int], harvest_id: str = "", **notes: Any) -> None:
    """A run's assignments of a movie, in track order."""
    store = Dataset.open(root)
    movie = store.record(movie_id)
    assert movie
    rows = [
        {"run": run, "movie_id": movie_id, "track_id": track, "cluster_id": label, "method": "hac", "model": "base"}
        for track, label in enumerate(labels)
    ]
    table = pa.Table.from_pylist(rows, schema=SCHEMAS["clusters"])
    known = {"method": "hac", "model": "base", "k_from": "threshold", "seconds": 0.25, "k_curve": CURVE}
    commit_derived(store.store, "clusters", run, movie_id, harvest_id or movie.harvest_id, table, known | notes)


def good(movie: Movie, wrong: int) -> list[int]:
    """The true people, the first tracks put with another one."""
    true = [int(who) for who in movie.identities]
    return [(who + 1) % 6 if track < wrong else who for track, who in enumerate(true)]


@pytest.fixture
def root(tmp_path: Path) -> str:
    movies = two_movies()
    root = dataset(tmp_path, movies)
    for movie_id, movie in movies.items():
        put(root, "good", movie_id, good(movie, 3))
        put(root, "poor", movie_id, [-1 if track % 9 == 8 else label for track, label in enumerate(good(movie, 30))])
    return root


def written(root: str, folder: Path, *runs: str) -> CompareSummary:
    return compare(root, runs, folder / "out", CONFIG)


def test_what_the_model_had_seen_and_labels_that_helped_are_said(root: str, tmp_path: Path) -> None:
    movies = two_movies()
    first = next(iter(movies))
    for movie_id, movie in movies.items():
        put(root, "taught", movie_id, good(movie, 3), seen_in_training=movie_id == first, labels_used=True)
    summary = written(root, tmp_path)
    runs = {run["run"]: run["cautions"] for run in compare_json(summary)["runs"]}
    assert runs["good"] == []
    assert runs["taught"][0].startswith("the model was trained on 1 of the 2 movies")
    assert "labels were used" in runs["taught"][1]
    assert "trained on 1 of the 2 movies" in (tmp_path / "out" / PAGE).read_text()


def test_a_run_has_the_scores_of_its_movies(root: str, tmp_path: Path) -> None:
    comparison = written(root, tmp_path).comparison
    assert [run.name for run in comparison.runs] == ["good", "poor"]
    for run in comparison.runs:
        for movie, truth in zip(run.movies, comparison.truths, strict=True):
            scored = score_movie(movie.labels, truth.names, truth.cannot_link, truth.frames)
            assert scored is not None
            assert movie.metrics == scored
            assert movie.right.mean() == pytest.approx(scored.wcp)
        assert run.overall
        assert run.overall.wcp == pytest.approx(np.mean([m.metrics.wcp for m in run.movies if m.metrics]))
        assert run.seconds == 0.5
    best, poor = comparison.runs
    assert best.overall
    assert poor.overall
    assert best.overall.coverage == 1 > poor.overall.coverage
    assert poor.overall.wcp < poor.overall.wcp_assigned
    assert best.violations > 0, "counted, as the tracks are seen together that a wrong label joins"


def test_every_two_runs_are_tested_best_first(root: str, tmp_path: Path) -> None:
    (test,) = written(root, tmp_path).comparison.tests
    assert (test.first, test.second, test.found.swapped) == ("good", "poor", "tracks")
    assert test.found.difference > 0.2
    assert test.found.p == pytest.approx(1 / 501)


def test_labels_of_a_harvest_that_is_committed_meanwhile_are_not_taken_for_those_of_the_one_compared(root: str) -> None:
    opened = Dataset.open(root)
    movie = opened.records()[0]
    put_movie_record(opened.store, movie.model_copy(update={"harvest_id": "more tracks"}))
    row = {"label_id": 0, "movie_id": movie.movie_id, "track_id": movie.rows("tracks"), "identity": "Ann"}
    labels = pa.Table.from_pylist([row | {"flags": ["glasses"], "anchors": []}], schema=SCHEMAS["labels"])
    commit_derived(opened.store, "labels", "labels", movie.movie_id, "more tracks", labels)
    truth = read_truth(opened, movie, CONFIG.comparison.small_px)
    assert "glasses" not in truth.flags
    assert not truth.named.any()


def test_flags_of_harvest_and_labels_break_the_runs_down(root: str, tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    who = two_movies()["a"].identities
    flags = ["glasses occluded" if track < 3 else "glasses" if track < 6 else "" for track in range(len(who))]
    lines = [f"a,{track},{name},{words}" for track, (name, words) in enumerate(zip(who, flags, strict=True))]
    file.write_text("movie_id,track_id,identity,flags\n" + "\n".join(lines) + "\n")
    assert CliRunner().invoke(app, ["labels", "import", str(file), "-d", root]).exit_code == 0
    rows = {row.flag: row for row in written(root, tmp_path).comparison.flags}
    assert (rows["glasses"].tracks, rows["occluded"].tracks) == (6, 3)
    assert rows["occluded"].right[0] < rows["glasses"].right[0], "the wrong tracks are the occluded ones"
    assert "frontal" not in rows, "an import knows nothing of it"


def test_ties_in_a_cluster_go_to_one_identity() -> None:
    right = right_tracks(np.array([0, 0, 1, 1, 1, -1]), ["b", "a", "a", "a", None, "b"])
    assert right.tolist() == [True, False, True, True, False, False]


def test_only_movies_of_all_runs_are_compared_and_the_others_named(root: str, tmp_path: Path) -> None:
    put(root, "half", "b", good(two_movies()["b"], 0))
    put(root, "half", "a", good(two_movies()["a"], 0), harvest_id="an older one")
    comparison = written(root, tmp_path).comparison
    assert [truth.movie_id for truth in comparison.truths] == ["b"]
    assert comparison.left_out == {"a": "not clustered by half"}
    assert written(root, tmp_path, "good", "poor").comparison.left_out == {}


def test_without_labels_k_and_violations_are_compared(tmp_path: Path) -> None:
    movies = two_movies()
    root = dataset(tmp_path, movies, named=False)
    put(root, "one", "a", [0] * 60, k_curve=None)
    comparison = written(root, tmp_path).comparison
    assert comparison.labelled == 0
    assert comparison.tests == ()
    page = (tmp_path / "out" / PAGE).read_text()
    assert "nothing is scored" in page
    assert "BCubed" not in page


@pytest.mark.parametrize(
    ("runs", "error", "said"),
    [
        (["good", "bad"], DatasetError, "has no clustering run 'bad'; there are: good, poor"),
        (["good", "good"], ConfigError, "good was named twice"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    root: str, tmp_path: Path, runs: list[str], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        compare(root, runs, tmp_path / "out", CONFIG)


def test_runs_without_a_movie_in_common_are_refused(root: str, tmp_path: Path) -> None:
    put(root, "stale", "a", [0] * 60, harvest_id="an older one")
    with pytest.raises(DatasetError, match="no movie has a current clustering by each of good, poor, stale"):
        compare(root, [], tmp_path / "out", CONFIG)


def test_an_unclustered_dataset_is_refused_with_the_command(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="nothing was clustered yet; make runs with: castmine cluster"):
        compare(dataset(tmp_path, two_movies()), [], tmp_path / "out", CONFIG)


def test_the_command_prints_a_row_a_run_and_leaves_page_tables_and_json(root: str, tmp_path: Path) -> None:
    out, file = tmp_path / "out", tmp_path / "c.json"
    arguments = ["compare", "-d", root, "--runs", "good,poor", "-o", str(out), "--json", str(file)]
    ran = CliRunner().invoke(app, [*arguments, "--set", "comparison.draws=100"])
    assert ran.exit_code == 0, ran.output
    assert "100 draws, labels of tracks swapped" in ran.output
    written = json.loads(file.read_text())
    table = list(csv.DictReader((out / TABLE).open()))
    assert [(row["run"], row["movie_id"]) for row in table][:3] == [("good", "(all)"), ("good", "a"), ("good", "b")]
    assert float(table[0]["wcp"]) == pytest.approx(written["runs"][0]["wcp"], abs=1e-5)
    assert float(table[1]["wcp"]) == pytest.approx(written["runs"][0]["movies"]["a"]["wcp"], abs=1e-5)
    (test,) = csv.DictReader((out / TESTS).open())
    assert (test["first"], test["draws"]) == ("good", "100")


def test_the_command_says_how_many_labelled_tracks_the_scores_count(root: str, tmp_path: Path) -> None:
    summary = written(root, tmp_path, "good", "poor")
    a, b = summary.comparison.truths
    few = replace(a, names=["a", *[None] * (len(a.names) - 1)]), replace(b, names=[None] * len(b.names))
    with out.capture() as said:
        compared(replace(summary, comparison=replace(summary.comparison, truths=few)))
    tracks = len(a.names) + len(b.names)
    assert f"scores and p count the 1 labelled track of {tracks}; K and violations count all tracks" in said.get()
    assert "1 of 2 movies labelled" in said.get()


def test_80_columns_hold_scores_number_of_characters_and_violations(
    root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(out, "width", 80)
    with out.capture() as said:
        compared(written(root, tmp_path, "good", "poor"))
    head = next(line for line in said.get().splitlines() if line.strip())
    assert head.split()[:9] == ["run", "V", "WCP", "BCubed", "F", "PCR", "K", "violations", "coverage"]


class Tags(HTMLParser):
    """What a page opens and would fetch."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.fetched: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)
        self.fetched += [value or "" for name, value in attributes if name in ("src", "href")]


def test_the_page_fetches_nothing_and_takes_no_name_for_markup(root: str, tmp_path: Path) -> None:
    for movie_id, movie in two_movies().items():
        put(root, HOSTILE, movie_id, good(movie, 0))
    written(root, tmp_path)
    page = (tmp_path / "out" / PAGE).read_text()
    tags = Tags(page)
    assert tags.found.count("script") == 1, "the empty one of the house's frame"
    assert "alert('x')" not in page.replace("alert(&#39;x&#39;)", "")
    assert set(tags.fetched) == {"data:,", "#nobody", TABLE} - ({"#nobody"} - set(tags.fetched))
    assert "Multi-Face" in page
    again = page
    written(root, tmp_path)
    assert (tmp_path / "out" / PAGE).read_text() == again, "two writings are the same bytes"


def test_a_chart_has_both_curves_the_choice_and_the_truth() -> None:
    chart = k_chart(CURVE, SCORES, "hac")
    assert chart
    assert chart.own
    assert chart.caption == "6 found of 8"
    assert chart.wcp.startswith("M100 0L")
    assert chart.chosen[0].left == pytest.approx(100 * np.log(6) / np.log(60), abs=0.01)
    assert chart.true == pytest.approx(100 * np.log(8) / np.log(60), abs=0.01)
    assert chart.chosen[0].top == pytest.approx(10)
    assert k_chart({"clusters": [1], "wcp": [1], "nmi": [1], "method": "hac"}, {}, "hac") is None


def test_a_method_that_does_not_merge_stands_beside_curves_that_say_whose_they_are() -> None:
    chart = k_chart(CURVE, SCORES, "hdbscan")
    assert chart
    assert not chart.own
    assert chart.caption == "6 found of 8; hdbscan does not merge step by step, so the curves are hac's"
    unsaid = {key: value for key, value in CURVE.items() if key != "method"}
    assert k_chart(unsaid, SCORES, "hdbscan") is None, "nobody knows whose an earlier version's curve is"
