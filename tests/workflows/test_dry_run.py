"""`castmine corpus --dry-run` before there is a dataset: what was chosen counts, and nothing is fetched or written."""

import shutil
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from harvest.corpus import list_corpus
from harvest.dataset.commit import note_failure
from harvest.dataset.read import Dataset
from harvest.errors import ModelsNotFetchedError
from harvest.faces import find_pack
from tests.workflows.conftest import Harvested
from workflows.config import Config, load_config
from workflows.console import out
from workflows.corpus.dry_run import plan_corpus
from workflows.corpus.printed import corpus_plan
from workflows.corpus.run import Choice
from workflows.harvest.plan import Selection, plan_harvest, segment_minutes
from workflows.journal.records import MovieProgress, Usage, latest_journal
from workflows.journal.writer import JournalWriter


@pytest.fixture
def config(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """Two clips and a pack that was never fetched."""
    monkeypatch.setenv("INSIGHTFACE_HOME", str(tmp_path / "home"))
    movies = tmp_path / "movies"
    movies.mkdir()
    for name in ("hamilton", "street"):
        shutil.copyfile(clips / f"{name}.mp4", movies / f"{name}.mp4")
    places = (f"corpus.movies={movies}", f"corpus.dataset={tmp_path / 'films'}", "corpus.models=buffalo_s")
    return load_config(None, [*places, "run.workers=2"])


def test_a_first_run_is_planned_as_it_was_chosen_and_fetches_nothing(config: Config, tmp_path: Path) -> None:
    estimate, reasons = plan_corpus(config, Choice())
    assert (estimate.movies, estimate.later, estimate.segments) == (2, 0, 2)
    assert reasons == {"train": "not done yet", "cluster cast": "not done yet", "report": "not done yet"}
    estimate, _ = plan_corpus(config, Choice(selection=Selection(limit=1)))
    assert (estimate.movies, estimate.later) == (1, 1)
    estimate, reasons = plan_corpus(config, Choice(only="cluster"))
    assert (estimate.movies, reasons) == (0, {"cluster cast": ""}), "without a harvest there is nothing to cluster"
    estimate, _ = plan_corpus(config, replace(Choice(), selection=Selection(retry_failed=True)))
    assert estimate.movies == 0
    assert {path.name for path in tmp_path.iterdir()} == {"movies"}
    with out.capture() as printed:
        corpus_plan(*plan_corpus(config, Choice()))
    assert "models 'buffalo_s': not in " in printed.get(), "the run may find no such pack"
    with pytest.raises(ModelsNotFetchedError, match="castmine doctor --models buffalo_s"):
        find_pack("buffalo_s", fetch=False)


def test_what_would_fail_again_as_it_is_is_named_and_not_counted(config: Config, pack_folder: Path) -> None:
    places = config.corpus.model_copy(update={"models": str(pack_folder), "train": None})
    config = config.model_copy(update={"corpus": places})
    dataset, movies = Dataset.create(str(places.dataset)), list_corpus(str(places.movies))
    planned = plan_harvest(movies, dataset, find_pack(str(pack_folder)), config, Selection()).states["street"]
    said = ("street", planned.movie.uri, "probe", "VideoDecodeError", "not a video", 1)
    note_failure(dataset.store, *said, tried_with=planned.tried_with)
    estimate, reasons = plan_corpus(config, Choice())
    assert (estimate.movies, estimate.left_out) == (1, ("street",))
    with out.capture() as printed:
        corpus_plan(estimate, reasons)
    assert "failed before and unchanged: street (--retry-failed tries again)" in printed.get()
    estimate, _ = plan_corpus(config, Choice(selection=Selection(retry_failed=True)))
    assert (estimate.movies, estimate.left_out) == (1, ())
    with out.capture() as printed:
        corpus_plan(estimate, reasons)
    assert printed.get().startswith("harvest: 1 movie, of those that failed before\n  to be done: street\n")


def test_an_estimate_counts_the_start_and_names_the_movies_of_which_nobody_knows_the_length(
    config: Config, pack_folder: Path
) -> None:
    places = config.corpus.model_copy(update={"models": str(pack_folder), "train": None, "clusterings": ()})
    config = config.model_copy(update={"corpus": places})
    Path(str(places.movies), "half.mp4").write_bytes(b"a copy that was cut short")
    store = Dataset.create(str(places.dataset)).store
    done = {"m": MovieProgress(state="done", frames=3000, total=3000, duration_s=120)}
    held = Usage(workers=2, worker_s=100)  # 50 s each: 10 s to start, 5 to load, 35 at work on 60 s of film
    with JournalWriter(store, "corpus", str(places.movies), str(pack_folder), config.run) as journal:
        journal.say(movies=done, frames=3000, start_s=18.0, stages={"start": 20, "load": 10}, usage=held)
    estimate, reasons = plan_corpus(config, Choice())
    assert (estimate.unknown, estimate.start_s) == (("half",), 23)
    assert estimate.rate == pytest.approx(120 / 70)
    assert estimate.wall_s == pytest.approx(estimate.hours * 3600 / (120 / 70) / 2 + 23)
    with out.capture() as printed:
        corpus_plan(estimate, reasons)
    said = " ".join(printed.get().split())
    assert "(length unknown of half: counted at the mean of the others)" in said
    assert "/ 2 workers + 23 s to start Ray and the models, as then = " in said
    assert "movie-seconds a worker-second at work in run" in said
    many = config.model_copy(update={"run": config.run.model_copy(update={"workers": 8})})
    estimate, _ = plan_corpus(many, Choice())
    assert (estimate.segments, estimate.workers, estimate.at_work) == (3, 8, 3)
    assert estimate.wall_s == pytest.approx(estimate.hours * 3600 / (120 / 70) / 3 + 23), "five have nothing to do"
    with JournalWriter(store, "corpus", str(places.movies), str(pack_folder), config.run) as journal:
        journal.say(movies=done, frames=3000, usage=held)  # as runs were noted before their start was
    estimate, _ = plan_corpus(config, Choice())
    assert (estimate.start_s, estimate.rate) == (None, 1.2)
    assert estimate.wall_s == pytest.approx(estimate.hours * 3600 / 1.2 / 2)


def test_for_the_same_work_again_what_it_took_is_estimated(harvested: Harvested, tmp_path: Path) -> None:
    root = harvested.copy(tmp_path)
    places = (f"corpus.movies={harvested.corpus}", f"corpus.dataset={root}", f"corpus.models={harvested.models}")
    config = load_config(None, [*places, "corpus.train=null", "run.workers=1"])
    estimate, _ = plan_corpus(config, Choice(only="harvest", selection=Selection(force=True)))
    assert (estimate.movies, estimate.segments) == (1, 1)
    assert estimate.hours * 3600 == pytest.approx(10.0, abs=0.1), "hamilton"
    journal = latest_journal(Dataset.open(root).store)
    assert journal
    assert journal.ended_at
    began, ended = (datetime.fromisoformat(at) for at in (journal.started_at, journal.ended_at))
    assert estimate.wall_s == pytest.approx((ended - began).total_seconds(), rel=0.3)


def test_a_few_movies_are_split_finer_so_that_no_worker_is_idle() -> None:
    film = 7200
    assert segment_minutes(film, movies=1, workers=4, longest=10) == 10
    assert segment_minutes(film, movies=1, workers=40, longest=10) == 3
    assert segment_minutes(film, movies=1, workers=4000, longest=10) == 1
    assert segment_minutes(film, movies=100, workers=40, longest=10) == 10
