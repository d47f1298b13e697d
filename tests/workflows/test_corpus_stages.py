"""The stages of a corpus run after its harvest, one by one: why each is done, from what, and what it leaves behind."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harvest.corpus import Movie
from harvest.dataset.commit import put_movie_record
from harvest.dataset.read import Dataset
from harvest.dataset.records import movie_record_path
from harvest.errors import CastmineError, ConfigError
from harvest.faces import Pack
from tests.conftest import shared
from workflows.config import Config, load_config
from workflows.corpus import clustering, training
from workflows.corpus.clustering import cluster_stage
from workflows.corpus.config import ClusteringConfig, CorpusConfig
from workflows.corpus.notes import StageNote, changes, enough_changed, strike_from_notes
from workflows.corpus.outcome import StageOutcome
from workflows.corpus.places import Places, find_places
from workflows.corpus.run import _done, _harvest, _of_harvest
from workflows.corpus.session import Session
from workflows.corpus.training import model_folder, train_stage, weights_digest
from workflows.harvest.plan import Selection, plan_harvest
from workflows.harvest.run import HarvestSummary
from workflows.journal.records import Journal, latest_journal
from workflows.journal.writer import JournalWriter
from workflows.labels import LabelChange, import_labels
from workflows.tracks_import import import_tracks
from workflows.train.movies import of_one_pack

SMALL = (
    "train.subspace.tracks_per_dimension=1", "train.split.validation_share=0.3", "cluster.threshold=0.6",
    "train.subspace.chance=20",
)  # fmt: skip
"""Four movies are enough to learn from, what comes of it is not refused, and no threshold need be calibrated."""


PACK = "imported-128"
"""What stands for the pack of imported tracks."""


def settings(*more: str) -> Config:
    return load_config(None, [*SMALL, *more])


@pytest.fixture(scope="module")
def session(ray_address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """Four movies of real faces' tracks, imported, with a model trained on them."""
    folder = tmp_path_factory.mktemp("stages")
    import_tracks(shared("bench/phototracks/dev.parquet"), str(folder / "films"))
    dataset, models = Dataset.open(folder / "films"), str(shared("models/scrfd25_mbf"))
    places = Places("", dataset.root, models, folder / "model", folder / "sheets")
    made = Session(settings(), places, [], "imported", Pack("imported", "", (), PACK, None), dataset, ray_address)
    with made.stack:
        assert train_stage(made).state == "done"
        yield made


def test_a_model_is_trained_once_for_its_movies_and_settings(session: Session) -> None:
    again = train_stage(session)
    assert (again.state, again.seconds) == ("unchanged", 0.0)
    assert "of 4 movies" in again.said, "two to learn from, two to check on, then fitted to all"
    assert model_folder(session.dataset, session.places, session.config, PACK) == str(session.places.model)


@pytest.mark.parametrize(
    ("setting", "again"),
    [
        ("train.subspace.ridge=0.02", True),
        ("corpus.train=triplet", True),
        ("cluster.threshold=0.5", False),
        ("harvest.stride=2", False),
    ],
)
def test_what_a_model_depends_on_and_what_not(session: Session, setting: str, again: bool) -> None:
    reason = training.why(session.dataset, session.places, settings(setting), PACK)
    assert reason == ("its settings changed" if again else "")


def test_another_harvest_of_a_movie_that_trains_asks_for_a_new_model(session: Session, tmp_path: Path) -> None:
    dataset = _copied(session, tmp_path)
    record = dataset.records()[0]
    put_movie_record(dataset.store, record.model_copy(update={"harvest_id": "another"}))
    reason = training.why(dataset, session.places, session.config, PACK)
    assert reason == f"1 movie changed: {record.movie_id}"


def test_new_labels_ask_for_a_new_model_only_where_it_learns_from_names(session: Session, tmp_path: Path) -> None:
    dataset = _copied(session, tmp_path)
    (record, *_) = dataset.derived_records("labels", "labels")
    named = settings("corpus.train=triplet")
    before = {config: training._taken(dataset, config, PACK) for config in (session.config, named)}
    file = tmp_path / "films" / "records" / "labels" / "labels" / f"{record.movie_id}.json"
    shard = record.shard.model_copy(update={"digest": "others"})
    file.write_bytes(record.model_copy(update={"shard": shard}).to_json())
    assert training._taken(dataset, session.config, PACK) == before[session.config]
    assert training._taken(dataset, named, PACK) != before[named]


def test_a_movie_on_neither_side_of_the_split_asks_for_nothing(session: Session, tmp_path: Path) -> None:
    dataset = _copied(session, tmp_path)
    for record in dataset.records():  # in the corpus from now on, but kept for a test
        side = "test" if record == dataset.records()[0] else None
        put_movie_record(
            dataset.store, record.model_copy(update={"facts": record.facts.model_copy(update={"split": side})})
        )
    first = dataset.records()[0]
    assert f"changed: {first.movie_id}" in training.why(dataset, session.places, session.config, PACK)
    assert first.movie_id not in training._taken(dataset, session.config, PACK)


def test_a_model_that_somebody_replaced_is_trained_anew_and_not_clustered_with(
    session: Session, tmp_path: Path
) -> None:
    places = Places("", "", "", tmp_path / "model", tmp_path / "sheets")
    assert "is not the model that was made" in training.why(session.dataset, places, session.config, PACK)
    assert model_folder(session.dataset, places, session.config, PACK) is None
    assert weights_digest(places) == ""


def test_a_forgotten_movie_is_in_no_note_and_the_model_made_from_it_is_not_taken_for_current(
    session: Session, tmp_path: Path
) -> None:
    dataset = _copied(session, tmp_path)
    movie_id = dataset.records()[0].movie_id
    strike_from_notes(dataset.store, movie_id)
    assert training.why(dataset, session.places, session.config, PACK) == "not done yet"
    assert movie_id not in "".join(path.read_text() for path in (tmp_path / "films").rglob("_runs/stages/*.json"))


def test_a_clustering_follows_the_model_and_one_that_is_to_do_without_does_not(session: Session) -> None:
    through, base = ClusteringConfig(), ClusteringConfig(model=False, run="base")
    for chosen, model in ((through, "model"), (base, "base")):
        done = cluster_stage(session, chosen)
        assert (done.state, len(done.figures["clustered"])) == ("done", 4)
        assert done.figures["model"] == model
        assert cluster_stage(session, chosen).state == "unchanged"
    dataset, config = session.dataset, session.config
    assert clustering.why(dataset, through, config, "weights of another model") == "its settings changed"
    assert clustering.why(dataset, base, config, "") == ""


def test_a_clustering_that_somebody_has_made_anew_by_hand_is_not_taken_for_the_kept_one(
    session: Session, tmp_path: Path
) -> None:
    dataset, chosen = _copied(session, tmp_path), ClusteringConfig(model=False, run="base")
    (record, *_) = dataset.derived_records("clusters", "base")
    (tmp_path / "films" / "records" / "clusters" / "base" / f"{record.movie_id}.json").write_bytes(
        record.model_copy(update={"created_at": "2020-01-01T00:00:00.000000+00:00"}).to_json()
    )
    assert clustering.why(dataset, chosen, session.config, "") == f"1 movie changed: {record.movie_id}"


def test_what_nobody_foresaw_is_a_failed_stage_and_a_stop_is_a_stop() -> None:
    def broken() -> StageOutcome:
        raise IsADirectoryError("a folder lies there")

    def stopped() -> StageOutcome:
        raise SystemError("returned a result with an exception set") from KeyboardInterrupt()

    outcome = _done("report", broken)
    assert (outcome.stage, outcome.state, outcome.said) == (
        "report",
        "failed",
        "IsADirectoryError: a folder lies there",
    )
    assert "in broken" in outcome.figures["traceback"]
    with pytest.raises(SystemError):
        _done("report", stopped)


def test_new_labels_are_scored_without_ray(session: Session, tmp_path: Path) -> None:
    dataset, names = _copied(session, tmp_path), tmp_path / "labels.csv"
    names.write_text(f"movie_id,track_id,identity\n{dataset.records()[0].movie_id},0,Ann\n")
    import_labels(names, dataset)
    night = replace(session, dataset=dataset)
    night.start_ray = lambda: pytest.fail("Ray was started")
    done = cluster_stage(night, ClusteringConfig(model=False, run="base"))
    assert (done.state, done.figures["clustered"]) == ("done", [])
    assert done.said.endswith("; none clustered anew")


def test_a_run_whose_ray_is_starting_tells_already_what_is_to_be_done(session: Session, tmp_path: Path) -> None:
    dataset = _copied(session, tmp_path)
    (tmp_path / "new.mp4").write_bytes(b"a new film")
    night = replace(session, dataset=dataset)
    plan = plan_harvest([Movie("new", str(tmp_path / "new.mp4"))], dataset, night.pack, night.config, Selection())
    told: list[Journal | None] = []

    def start() -> int:
        told.append(latest_journal(dataset.store))
        raise CastmineError("no Ray today")

    night.start_ray = start
    with (
        pytest.raises(CastmineError, match="no Ray today"),
        JournalWriter(dataset.store, "corpus", "c", "m", night.config.run) as journal,
    ):
        _harvest(night, plan, journal)
    assert told[0]
    assert told[0].is_starting
    assert told[0].counts == {"waiting": 1, "unchanged": 0}


def test_labels_that_could_not_be_carried_over_stand_in_the_line_of_the_harvest() -> None:
    lost = LabelChange("m", 0, 0, not_carried="labels of m are not on its new tracks: gone")
    assert _of_harvest(HarvestSummary([], [lost], 1.0)).said == f"nothing to do; {lost.not_carried}"


def test_what_goes_wrong_in_a_stage_is_its_outcome_and_ends_no_run(session: Session) -> None:
    unknown = cluster_stage(session, ClusteringConfig(method="spectral"))
    assert (unknown.state, unknown.failed) == ("failed", {})
    assert "no clustering method 'spectral'" in unknown.said


@pytest.mark.parametrize(
    ("movies", "reason"),
    [
        ({"a": "1", "b": "2"}, ""),
        ({"a": "1", "b": "3"}, "1 movie changed: b"),
        ({"a": "1"}, "1 movie changed: b"),
        ({"a": "1", "b": "2", "c": "1"}, "1 movie changed: c"),
        (dict.fromkeys("abcde", "9"), "5 movies changed: a, b, c, …"),
    ],
    ids=["nothing", "a movie", "a movie is gone", "a movie is new", "many"],
)
def test_a_reason_names_the_movies(movies: dict[str, str], reason: str) -> None:
    note = StageNote(fingerprint="f", movies={"a": "1", "b": "2"}, outcome="done", said="", at="")
    assert changes(note, "f", movies) == reason
    assert changes(note, "g", movies) == "its settings changed"
    assert changes(None, "f", movies) == "not done yet"


@pytest.mark.parametrize(
    ("now", "share", "enough"),
    [
        ({"a": "1", "b": "1"}, 0.0, False),
        ({"a": "1", "b": "2"}, 0.0, True),
        ({"a": "1", "b": "2"}, 0.5, True),
        ({"a": "1", "b": "1", "c": "1"}, 0.6, False),
        ({"a": "1"}, 0.5, True),
        ({}, 1.0, True),
    ],
    ids=["nothing", "any change", "one of two", "one is new", "one is gone", "all are gone"],
)
def test_what_was_made_from_movies_is_kept_until_enough_of_them_are_others(
    now: dict[str, str], share: float, enough: bool
) -> None:
    assert enough_changed({"a": "1", "b": "1"}, now, share) is enough


@pytest.mark.slow
def test_a_new_movie_alone_is_clustered_until_so_many_are_new_that_the_threshold_is_calibrated_anew(
    session: Session, tmp_path: Path
) -> None:
    dataset, chosen = _copied(session, tmp_path), ClusteringConfig(model=False, run="own")
    new = dataset.records()[0]
    record = tmp_path / "films" / movie_record_path(new.movie_id)
    record.unlink()
    mine = ("train.split.validation_share=0.3", "corpus.renew_share=0.5")
    night = replace(session, config=load_config(None, mine), dataset=Dataset.open(dataset.root))
    first = cluster_stage(night, chosen)
    assert len(first.figures["clustered"]) == 3
    assert "3 movies" in first.figures["threshold"]
    record.write_bytes(new.to_json())
    other = Dataset.open(shutil.copytree(dataset.root, tmp_path / "other"))
    night.dataset = Dataset.open(dataset.root)
    kept = cluster_stage(night, chosen)
    assert kept.figures == first.figures | {"clustered": [new.movie_id]}
    often = load_config(None, [*mine, "corpus.renew_share=0.3"])
    renewed = cluster_stage(replace(session, config=often, dataset=other), chosen)
    assert len(renewed.figures["clustered"]) == 4
    assert "4 movies" in renewed.figures["threshold"]


def test_a_model_is_kept_until_enough_is_new_and_the_stage_says_so(session: Session, tmp_path: Path) -> None:
    dataset = _copied(session, tmp_path)
    put_movie_record(dataset.store, dataset.records()[0].model_copy(update={"harvest_id": "another"}))
    night = replace(session, config=settings("corpus.renew_share=0.9"), dataset=dataset)
    kept = train_stage(night)
    assert kept.state == "unchanged"
    assert "kept, 1 movie changed:" in kept.said
    assert model_folder(dataset, session.places, night.config, PACK)


def test_a_movie_of_another_pack_is_left_out_by_name_and_stops_nothing(session: Session, tmp_path: Path) -> None:
    dataset = _copied(session, tmp_path)
    old = dataset.records()[0]
    put_movie_record(dataset.store, old.model_copy(update={"models": "old", "models_hash": "of another pack"}))
    night = replace(session, config=settings("corpus.renew_share=1.0"), dataset=dataset)
    done = cluster_stage(night, ClusteringConfig(run="through"))
    assert (done.state, len(done.figures["clustered"]), done.figures["model"]) == ("done", 3, "model")
    assert f"left out, harvested with other models: {old.movie_id}" in done.said
    assert {record.movie_id for record in of_one_pack(dataset, PACK)} == {
        record.movie_id for record in dataset.records()
    } - {old.movie_id}


def clustered(**clustering: object) -> dict[str, object]:
    """A section with one clustering."""
    return {"movies": "m", "dataset": "f", "clusterings": [clustering]}


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"dataset": "films"}, "corpus.movies is not set"),
        ({"movies": "m"}, "corpus.dataset is not set"),
        ({"movies": "m", "dataset": "s3://b/films"}, "corpus.model is not set, and nothing lies beside"),
        ({"movies": "m", "dataset": "s3://b/films", "train": None}, "corpus.report is not set"),
        ({"movies": "m", "dataset": "f", "model": "s3://b/model"}, "corpus.model: s3://b/model is no folder"),
        ({"movies": "m", "dataset": "f", "report": "s3://b/sheets"}, "corpus.report: s3://b/sheets is no folder"),
        ({"movies": "m", "dataset": "f", "clusterings": [{}, {}]}, "two are called 'cast'"),
        ({"movies": "m", "dataset": "f", "train": "mvcor"}, r"corpus\.train: no training method or preset 'mvcor'"),
        ({"movies": "m", "dataset": "f", "model": "workflows"}, r"corpus\.model: workflows exists and is not a model"),
        ({"movies": "m", "dataset": "f", "train": None, "model": "no"}, r"corpus\.model: no is not there"),
        ({"movies": "m", "dataset": "f", "report": "README.md"}, r"corpus\.report: README\.md is a file"),
        (clustered(method="hack"), r"corpus\.clusterings, hack: no clustering method 'hack'"),
        (clustered(adapt="tsiamm"), "cast-tsiamm: no adaptation 'tsiamm'"),
        (clustered(method="affinity", k_from=3), "affinity-3: affinity finds the number of characters itself"),
        (clustered(adapt="ball"), "ball fine-tunes a model of ball cluster learning: corpus.train must be bcl"),
        (clustered(adapt="ball", model=False), "ball fine-tunes a model"),
        (clustered(adapt="selfdistill-network"), "trains the pack's own network, not on top of a model"),
    ],
)
def test_what_no_run_can_do_is_refused_before_the_harvest(section: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        find_places(CorpusConfig.model_validate(section))


def test_what_is_left_open_lies_beside_the_dataset() -> None:
    places = find_places(CorpusConfig(movies="m", dataset="/data/films/"))
    assert (places.model, places.sheets) == (Path("/data/films-model"), Path("/data/films-sheets"))


def _copied(session: Session, to: Path) -> Dataset:
    shutil.copytree(session.dataset.root, to / "films")
    return Dataset.open(to / "films")
