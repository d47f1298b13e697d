"""Planning a harvest: what is left alone, and what becomes of an earlier failure of it."""

import os
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from harvest.corpus import Movie
from harvest.dataset.commit import commit_movie, note_failure
from harvest.dataset.read import Dataset
from harvest.dataset.records import MovieFacts, SourceStamp
from harvest.dataset.schema import HARVEST_TABLES, SCHEMAS
from harvest.errors import CorpusError, MovieOutOfReachError, VideoDecodeError
from harvest.faces import Pack
from harvest.identity import config_hash, content_hash, harvest_id, refuse_namesake, source_stamp
from workflows.config import Config, load_config
from workflows.harvest.gone import gone
from workflows.harvest.plan import MovieState, Selection, plan_harvest
from workflows.harvest.quarantine import is_held_against, settings_digest, tried_with
from workflows.harvest.run import harvest

PACK = Pack("pack", "insightface", (), "hash of the pack", 0.5)
CONFIG = Config()


@pytest.fixture
def movie(tmp_path: Path) -> Movie:
    (tmp_path / "m.mp4").write_bytes(b"frames")
    return Movie("m", str(tmp_path / "m.mp4"))


@pytest.fixture
def dataset(tmp_path: Path, movie: Movie) -> Dataset:
    """A dataset in which the movie is as it would be harvested again."""
    dataset, content = Dataset.create(tmp_path / "ds"), content_hash(movie.uri)
    commit_movie(
        dataset.store,
        {name: SCHEMAS[name].empty_table() for name in HARVEST_TABLES},
        movie_id="m",
        facts=MovieFacts(uri=movie.uri, fps=25, frames=1, duration_s=0.04),
        stamp=source_stamp(movie.uri),
        content_hash=content,
        harvest_id=harvest_id(content, config_hash(CONFIG.harvest), PACK.hash, PACK.threshold),
        config_hash=config_hash(CONFIG.harvest),
        models=PACK.name,
        models_hash=PACK.hash,
        embedding_size=2,
    )
    return dataset


def state(movie: Movie, dataset: Dataset, config: Config = CONFIG) -> str:
    return plan_harvest([movie], dataset, PACK, config, Selection()).states["m"].state


def test_a_plan_knows_which_models_a_movie_was_harvested_with_where_others_are_named_now(
    dataset: Dataset, movie: Movie
) -> None:
    others = replace(PACK, name="other", hash="hash of the other")
    planned = plan_harvest([movie], dataset, others, CONFIG, Selection()).states["m"]
    assert (planned.state, planned.other_pack) == ("todo", PACK.name)
    coarser = load_config(overrides=["harvest.stride=5"])
    again = plan_harvest([movie], dataset, PACK, coarser, Selection()).states["m"]
    assert (again.state, again.other_pack) == ("todo", ""), "done again for its settings, with the same models"


def test_a_movie_that_could_not_be_read_for_a_while_is_no_failure_any_more(dataset: Dataset, movie: Movie) -> None:
    note_failure(dataset.store, "m", movie.uri, "probe", "VideoDecodeError", "m.mp4: Permission denied", 1)
    assert state(movie, dataset) == "skipped"
    assert dataset.failures() == []


def test_a_changed_title_ends_no_failure_of_what_was_made_of_the_tracks(dataset: Dataset, movie: Movie) -> None:
    note_failure(dataset.store, "m", movie.uri, "probe", "VideoDecodeError", "m.mp4: Permission denied", 1)
    note_failure(dataset.store, "m", "", "cluster", "DatasetError", "m: no labels", 1, run="hac")
    assert state(replace(movie, title="M"), dataset) == "skipped"
    assert [(failure.kind, failure.run) for failure in dataset.failures()] == [("cluster", "hac")]
    record = dataset.record("m")
    assert record
    assert record.facts.title == "M"


def test_a_failure_stays_while_its_movie_is_to_be_done(dataset: Dataset, movie: Movie) -> None:
    note_failure(dataset.store, "m", movie.uri, "harvest", "VideoDecodeError", "m.mp4: no frame", 1)
    changed = CONFIG.model_copy(update={"harvest": CONFIG.harvest.model_copy(update={"stride": 2})})
    assert state(movie, dataset, changed) == "todo"
    assert len(dataset.failures()) == 1


def test_what_clustering_could_not_do_is_no_matter_of_the_harvest(
    dataset: Dataset, movie: Movie, pack_folder: Path
) -> None:
    note_failure(dataset.store, "m", "", "cluster", "DatasetError", "m: no labels", 1)
    assert state(movie, dataset) == "skipped"
    assert [failure.stage for failure in dataset.failures()] == ["cluster"]
    assert harvest(movie.uri, dataset.root, str(pack_folder), CONFIG, retry_failed=True).movies == []


@pytest.mark.parametrize(
    ("selection", "todo", "skipped", "later"),
    [
        (Selection(), ["bad", "new", "other"], ["m"], []),
        (Selection(limit=1), ["new"], ["m"], ["other", "bad"]),
        (Selection(limit=2), ["new", "other"], ["m"], ["bad"]),
        (Selection(limit=0), [], ["m"], ["new", "other", "bad"]),
        (Selection(retry_failed=True), ["bad"], [], []),
        (Selection(force=True), ["bad", "m", "new", "other"], [], []),
        (Selection(force=True, retry_failed=True), ["bad"], [], []),
    ],
    ids=["everything", "one: not the one that fails every night", "two", "none", "what failed", "by force", "both"],
)
def test_what_a_run_takes_on(
    dataset: Dataset, movie: Movie, selection: Selection, todo: list[str], skipped: list[str], later: list[str]
) -> None:
    note_failure(dataset.store, "bad", "bad.mp4", "probe", "VideoDecodeError", "bad.mp4: not a video", 1)
    note_failure(dataset.store, "m", "", "cluster", "DatasetError", "not of the harvest", 1)
    corpus = [Movie("bad", "bad.mp4"), movie, Movie("new", "new.mp4"), Movie("other", "other.mp4")]
    plan = plan_harvest(corpus, dataset, PACK, CONFIG, selection)
    assert [state.movie.movie_id for state in plan.todo] == todo
    assert [name for name, state in plan.states.items() if state.state == "skipped"] == skipped
    assert list(plan.later) == later
    assert plan.force == selection.force


def test_each_file_is_looked_at_once(dataset: Dataset, movie: Movie, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[str] = []

    def noted(uri: str) -> SourceStamp:
        looked_at.append(uri)
        return source_stamp(uri)

    for place in ("plan", "quarantine"):
        monkeypatch.setattr(f"workflows.harvest.{place}.source_stamp", noted, raising=False)
    os.utime(movie.uri, (1, 1))  # a new file, which is to be done
    assert state(movie, dataset) == "todo"
    assert looked_at == [movie.uri]


def test_only_looking_takes_nothing_over(dataset: Dataset, movie: Movie) -> None:
    note_failure(dataset.store, "m", movie.uri, "probe", "VideoDecodeError", "m.mp4: Permission denied", 1)
    renamed = replace(movie, title="M")
    plan_harvest([renamed], dataset, PACK, CONFIG, Selection(), settle=False)
    record = dataset.record("m")
    assert record
    assert record.facts.title is None
    assert len(dataset.failures()) == 1


def test_a_movie_that_cannot_even_be_asked_for_is_a_failure_of_its_own_until_it_has_left(dataset: Dataset) -> None:
    bad, new = Movie("bad", "caf\\xe9.mp4", refused="its name is not UTF-8 text"), Movie("new", "new.mp4")
    plan_harvest([bad, new], dataset, PACK, CONFIG, Selection(), settle=False)
    assert dataset.failures() == [], "only looked at"
    for selection in (Selection(), Selection(force=True)):
        plan = plan_harvest([bad, new], dataset, PACK, CONFIG, selection)
        assert [state.movie.movie_id for state in plan.todo] == ["new"]
        assert (plan.states["bad"].state, plan.states["bad"].message) == ("failed", bad.refused)
        assert [(failure.movie_id, failure.message) for failure in dataset.failures()] == [("bad", bad.refused)]
    assert "bad" in gone(dataset, [new])


@pytest.mark.parametrize(
    ("case", "content", "kept", "refused"),
    [
        ("another film of one name, in another folder", b"other frames", True, True),
        ("a copy of the file in another folder", b"frames", True, False),
        ("a better file at a new place, the old one gone", b"other frames", False, False),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_namesake_takes_nobodys_place(
    dataset: Dataset, movie: Movie, tmp_path: Path, case: str, content: bytes, kept: bool, refused: bool
) -> None:
    new = tmp_path / "elsewhere" / "m.mp4"
    new.parent.mkdir()
    new.write_bytes(content)
    if not kept:
        Path(movie.uri).unlink()
    with pytest.raises(CorpusError, match="holds another movie of this id") if refused else nullcontext():
        refuse_namesake(dataset.record("m"), str(new), content_hash(str(new)))


@pytest.mark.parametrize(
    ("before", "now", "refused"),
    [
        ("films", "films", False),
        ("films", "films/*.mp4", False),
        ("films/**/*.mp4", "films/m.mp4", False),
        ("list.csv", "list.csv", False),
        ("films", "archive", True),
        ("list.csv", "other.csv", True),
        ("films", "list.csv", True),
        (None, "films", True),
    ],
)
def test_another_file_by_the_same_name_of_a_corpus_replaces_the_movie(
    dataset: Dataset, tmp_path: Path, before: str | None, now: str, refused: bool
) -> None:
    """m.mp4 is a link in films and archive, or a row of the listings; the file that it meant is still there."""
    for place in ("films/m.mp4", "archive/m.mp4", "list.csv", "other.csv"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).touch()
    record = dataset.movie("m")
    facts = record.facts.model_copy(update={"corpus": before and str(tmp_path / before)})
    record = record.model_copy(update={"facts": facts})
    with pytest.raises(CorpusError, match="holds another movie of this id") if refused else nullcontext():
        refuse_namesake(record, str(tmp_path / "better.mp4"), "other bytes", str(tmp_path / now))


def test_a_file_beside_one_that_differs_in_its_suffix_does_not_replace_it(dataset: Dataset, tmp_path: Path) -> None:
    record = dataset.movie("m")
    facts = record.facts.model_copy(update={"corpus": str(tmp_path / "*.mp4")})
    with pytest.raises(CorpusError, match="holds another movie of this id"):
        refuse_namesake(
            record.model_copy(update={"facts": facts}), str(tmp_path / "m.mkv"), "other", str(tmp_path / "*.mkv")
        )


@pytest.mark.parametrize(
    ("error", "state"),
    [("VideoDecodeError", "failed"), ("MovieOutOfReachError", "todo"), ("DatasetError", "todo")],
    ids=["the file itself", "its disk", "the dataset's disk"],
)
def test_a_file_that_cannot_be_decoded_is_left_out_until_asked_or_changed(
    dataset: Dataset, tmp_path: Path, error: str, state: str
) -> None:
    (tmp_path / "text.mp4").write_text("no film")
    movie = Movie("text", str(tmp_path / "text.mp4"))

    def planned(config: Config = CONFIG, selection: Selection = Selection()) -> MovieState:
        (found,) = plan_harvest([movie], dataset, PACK, config, selection).states.values()
        return found

    again = planned().tried_with
    note_failure(dataset.store, "text", movie.uri, "probe", error, "not a video", 1, tried_with=again)
    assert planned().state == state
    if state == "failed":
        assert planned().message == "unchanged since it failed: --retry-failed takes it again; not a video"
    assert len(dataset.failures()) == 1, "and stays one"
    for selection in (Selection(retry_failed=True), Selection(force=True)):
        assert (planned(selection=selection).state, planned(selection=selection).tried_with) == ("todo", again)
    for key in ("harvest.stride=2", "decode.longest_pause_s=4"):
        assert planned(load_config(None, [key])).state == "todo", key
    os.utime(movie.uri, (1, 1))
    assert planned().state == "todo", "a new file"


def test_only_what_is_the_movies_own_fault_is_held_against_it() -> None:
    for error, held in ((VideoDecodeError(), True), (MovieOutOfReachError(), False), (MemoryError(), False)):
        assert is_held_against(error, CONFIG) == held, error
    on_a_gpu = load_config(None, ["decode.device=cuda"])
    assert not is_held_against(VideoDecodeError(), on_a_gpu), "which may have had no memory left"


def test_a_movie_that_cost_as_many_workers_as_allowed_is_left_out_until_asked_or_changed(
    dataset: Dataset, tmp_path: Path
) -> None:
    (tmp_path / "hangs.mp4").write_bytes(b"frames")
    movie = Movie("hangs", str(tmp_path / "hangs.mp4"))

    def note(attempts: int, error: str = "WorkerLostError") -> None:
        again = tried_with(movie, source_stamp(movie.uri), settings_digest(PACK, CONFIG))
        note_failure(dataset.store, "hangs", movie.uri, "harvest", error, "hung", attempts, tried_with=again)

    def planned(config: Config = CONFIG, selection: Selection = Selection()) -> str:
        (found,) = plan_harvest([movie], dataset, PACK, config, selection).states.values()
        assert found.state == "todo" or found.message == "quarantined: --retry-failed takes it again; hung"
        return found.state

    note(CONFIG.run.attempts)
    assert planned() == "failed"
    assert planned(selection=Selection(retry_failed=True)) == "todo"
    assert planned(selection=Selection(force=True)) == "todo"
    for key in ("harvest.stride=2", "run.memory_gb=4", "run.stall_s=900", "run.attempts=4"):
        assert planned(load_config(None, [key])) == "todo", key
    note(CONFIG.run.attempts - 1)
    assert planned() == "todo"
    note(CONFIG.run.attempts, "MachineLostError")
    assert planned() == "todo", "nothing is wrong with the movie"
    note(CONFIG.run.attempts)
    os.utime(movie.uri, (1, 1))
    assert planned() == "todo", "a new file"
