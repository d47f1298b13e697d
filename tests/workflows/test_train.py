"""`castmine train`: what it leaves, that no movie is on both sides, what it refuses, and that a stop costs nothing."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import ray
from safetensors.numpy import load_file
from typer.testing import CliRunner

from harvest.dataset.commit import commit_movie
from harvest.dataset.read import Dataset
from harvest.errors import CastmineError, ConfigError, DatasetError, TooLittleDataError
from harvest.faces import Pack
from tests.train.tracks import Movie, made_up_movie
from tests.workflows.conftest import Castmine
from tests.workflows.test_verify import dataset
from train.checkpoint import Checkpoints
from train.config import CalibrationConfig, FitConfig, MiningConfig, SubspaceConfig, TrainConfig
from train.normalise import l2_normalised
from train.presets import CLOSED_FORM, filled, recipe
from train.registry import WEIGHTS, ModelCard, load_model
from train.split import Split, split_movies
from train.subspace import fit_subspace
from train.validation import total
from workflows.cli import app
from workflows.config import Config, RunConfig, load_config
from workflows.corpus.places import Places
from workflows.corpus.session import Session
from workflows.corpus.training import _learn
from workflows.labels import import_labels
from workflows.tracks_import import import_tracks
from workflows.train.closed_form import UNTOLD
from workflows.train.corpus import Corpus
from workflows.train.movies import MovieJob, measure_one
from workflows.train.recipe import _settings
from workflows.train.refusal import refuse_small
from workflows.train.rows import read_learning
from workflows.train.run import TrainSummary, _jobs, train
from workflows.train.workers import FitJob, fit_on_worker
from workflows.verify.run import _jobs as _verify_jobs

QUICK = FitConfig(epochs=3, epoch_steps=1)
CONFIG = Config(
    train=TrainConfig(calibration=CalibrationConfig(pairs=20), fit=QUICK), run=RunConfig(workers=2, attempts=3)
)


def movies(count: int = 5, **settings: int) -> dict[str, Movie]:
    return {f"film-{number}": made_up_movie(number, **settings) for number in range(count)}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Five movies of forty 8-d tracks."""
    return dataset(tmp_path_factory.mktemp("corpus"), movies())


@pytest.fixture(scope="module", autouse=True)
def joined(ray_address: str) -> Iterator[None]:
    """This process uses the Ray of all tests."""
    ray.init(address=ray_address, log_to_driver=False, logging_level="ERROR")
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def mined(corpus: str) -> str:
    """The same, mined as every training begins."""
    for name in movies():
        measure_one(MovieJob(corpus, name, CONFIG.train))
    return corpus


def trained(root: str, method: str, out: Path, config: Config = CONFIG, resume: bool = False) -> TrainSummary:
    one = config.model_copy(update={"run": config.run.model_copy(update={"workers": 1})})
    return train(root, method, out, one, resume=resume)


@pytest.mark.parametrize("method", ["multiface-mvcorr", "multiface-imptriplet", "bcl", "prototypical", "cross-entropy"])
def test_a_recipe_leaves_a_model_and_a_card_and_nothing_else(corpus: str, tmp_path: Path, method: str) -> None:
    trained(corpus, method, tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    model = load_model(tmp_path / "model")
    card = model.card
    assert card.method == method
    assert len(card.curve) <= QUICK.epochs
    assert not set(card.train_movies) & set(card.validation_movies)
    assert set(card.train_movies) | set(card.validation_movies) == set(movies())
    assert card.threshold is not None
    assert "equal_error" in card.held_out
    assert (card.squared_radius is not None) == (method == "bcl")
    assert (card.train_identities > 0) == recipe(method).identities
    assert any(note.startswith("a batch holds the ") for note in card.notes)
    embedded = model.embed_tracks(np.eye(8))
    assert embedded.shape == (8, card.output_size)
    np.testing.assert_allclose(np.linalg.norm(embedded, axis=1), 1)


def test_a_network_is_clustered_with_and_verified_as_any_model(corpus: str, tmp_path: Path) -> None:
    def castmine(*arguments: object) -> str:
        ran = CliRunner().invoke(app, [*map(str, arguments), "--json", str(out), "--workers", "1"])
        assert ran.exit_code == 0, ran.output
        return out.read_text()

    out, model = tmp_path / "out.json", tmp_path / "deep"
    quick = [f"--set={key}" for key in ("train.fit.epochs=2", "train.fit.epoch_steps=1", "train.calibration.pairs=20")]
    card = json.loads(castmine("train", "-d", corpus, "--preset", "multiface-mvcorr", "-o", model, *quick))["card"]
    assert (card["method"], len(card["curve"])) == ("multiface-mvcorr", 2)
    clustered = json.loads(castmine("cluster", "-d", corpus, "--model", model))
    assert (clustered["run"], clustered["overall"]["violations"], clustered["failed"]) == ("hac-expanded-deep", 0, {})
    assert {movie["threshold"] for movie in clustered["movies"]} == {card["threshold"]}
    verified = json.loads(castmine("verify", "-d", corpus, "--model", model, "-o", tmp_path / "page"))
    assert [row["name"] for row in verified["representations"]] == ["base", "deep"]
    wider = dataset(tmp_path, movies(2, size=12))
    ran = CliRunner().invoke(app, ["verify", "-d", wider, "--model", str(model), "-o", str(tmp_path / "page")])
    assert isinstance(ran.exception, DatasetError)
    assert "is for 8-d embeddings" in str(ran.exception)


@pytest.mark.parametrize("method", ["multiface-mvcorr", "multiface-imptriplet", "bcl"])
def test_no_movie_is_on_both_sides(mined: str, method: str) -> None:
    """Every row that is learned from, and every row that validates, is one of its own side's movies."""
    opened, config = Dataset.open(mined), filled(recipe(method), CONFIG.train)
    split = split_movies(dict.fromkeys(movies()))
    whole = read_learning(opened, recipe(method), split, config)
    rows = rows_of(whole.rows)
    alone = [read_learning(opened, recipe(method), replace(split, train=(name,)), config) for name in split.train]
    if method == "bcl":
        assert whole.held_back is not None
        assert whole.validation is None
        learned = {name for movie in split.train for name in movies()[movie].identities} - set(
            whole.held_back.identities
        )
        assert whole.classes == len(learned)
        assert len(whole.rows) + len(whole.held_back.means) == sum(len(movies()[name].faces) for name in split.train)
        return
    assert rows == {row for part in alone for row in rows_of(part.rows)}
    validating = rows_of(whole.validation)
    assert validating
    assert not rows & validating
    nobody = read_learning(opened, recipe(method), replace(split, validation=()), config)
    assert rows_of(nobody.rows) == rows
    assert nobody.validation is None


def rows_of(found: object) -> set[bytes]:
    inputs, _ = found.take(np.arange(len(found)), 0)  # type: ignore[attr-defined, arg-type]
    return {row.tobytes() for row in inputs}


def with_nan(root: str) -> None:
    opened = Dataset.open(root)
    record = opened.records()[0]
    tables = {name: opened.read_shard(shard) for name, shard in record.shards.items()}
    faces = tables["faces"]
    wrong = faces["embedding"].to_pylist()
    wrong[5][2] = float("nan")
    column = pa.array(wrong, faces.schema.field("embedding").type)
    tables["faces"] = faces.set_column(faces.schema.get_field_index("embedding"), "embedding", column)
    fields = record.model_dump(exclude={"shards", "committed_at"})
    commit_movie(opened.store, tables, **fields | {"facts": record.facts, "stamp": record.stamp})


def constant() -> dict[str, Movie]:
    return {
        name: replace(movie, faces=[np.ones_like(faces) for faces in movie.faces]) for name, movie in movies().items()
    }


Case = tuple[dict[str, Movie], dict[str, bool], str, type[CastmineError], str]
REFUSED: dict[str, Case] = {
    "no cannot-link in the corpus": (
        *(movies(), {"together": False}, "multiface-mvcorr"),
        *(TooLittleDataError, "0 tracks of 0 training movies are seen together with another, too few"),
    ),
    "one movie only": (
        movies(1),
        {},
        "multiface-imptriplet",
        TooLittleDataError,
        "the dataset has 1 movie: 1 to learn",
    ),
    "constant embeddings": (
        constant(),
        {},
        "multiface-mvcorr",
        TooLittleDataError,
        "all tracklets are the same vector",
    ),
    "no identities for bcl": (
        *(movies(), {"named": False}, "bcl"),
        *(TooLittleDataError, "no track of the training movies has a label"),
    ),
    "too few identities for bcl": (
        *(movies(people=3), {}, "bcl"),
        *(TooLittleDataError, "have 3 identities and the method needs at least 4"),
    ),
    "NaN in a shard": (
        *(movies(), {}, "multiface-mvcorr"),
        *(DatasetError, "film-0: .*: row . holds NaN, infinity or only zeros; harvest this movie again"),
    ),
    "no such method": (movies(), {}, "magic", ConfigError, "or preset 'magic'; there are: mvcorr-linear, multiface"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_learned_from_is_refused_with_a_reason(tmp_path: Path, what: str) -> None:
    films, settings, method, kind, message = REFUSED[what]
    root = dataset(tmp_path, films, **settings)
    if what == "NaN in a shard":
        with_nan(root)
    with pytest.raises(kind, match=message):
        trained(root, method, tmp_path / "model")
    assert not (tmp_path / "model").exists()
    assert not (tmp_path / ".model.training").exists(), "there is nothing to go on from"


@pytest.mark.parametrize(
    ("what", "method"),
    [
        ("no cannot-link in the corpus", "--method=mvcorr-linear"),
        ("one movie only", "--preset=multiface-imptriplet"),
        ("too few identities for bcl", "--preset=bcl"),
    ],
)
def test_what_records_and_labels_tell_is_refused_before_ray_is_asked_for(
    castmine: Castmine, tmp_path: Path, what: str, method: str
) -> None:
    films, settings, _, _, message = REFUSED[what]
    root, nobody = dataset(tmp_path, films, **settings), "127.0.0.1:9"
    said = castmine("train", "-d", root, "-o", tmp_path / "model", method, "--address", nobody, status=2).err
    assert said.startswith("refused: ")
    assert re.search(message, said)
    assert said.endswith(f"; or go on without a model: castmine cluster --dataset {root}\n")
    assert Dataset.open(root).derived_records("tracklets") == []


def test_the_tracks_that_are_told_to_be_too_few_are_just_those_that_are_seen_together(tmp_path: Path) -> None:
    """Three at once, in three links, and three alone."""
    shots = (0, 0, 0, 1, 2, 3)
    rows = [
        {"movie_id": film, "track_id": track, "shot_id": shot, "start_frame": 100 * shot, "end_frame": 100 * shot + 50}
        | {"embeddings": made_up_movie(track).faces[0].tolist()}
        for film in ("one", "two")
        for track, shot in enumerate(shots)
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "tracks.parquet")
    import_tracks(tmp_path / "tracks.parquet", str(tmp_path / "dataset"))
    opened = Dataset.open(tmp_path / "dataset")
    said = "^6 tracks of 2 training movies are seen together .* take at least 32 such tracks"
    sides = "harvest more movies .the dataset has 2 movies: 2 to learn from, 0 held out to check the model.$"
    with pytest.raises(TooLittleDataError, match=f"{said}.*{sides}"):
        refuse_small(opened, opened.records(), Split(("one", "two"), ()), CONFIG.train, named=False)
    single = CONFIG.train.model_copy(update={"subspace": SubspaceConfig(movies=1)})
    with pytest.raises(TooLittleDataError, match="1 to learn from, 0 held out to check the model, 1 of another split"):
        refuse_small(opened, opened.records(), Split(("one",), ()), single, named=True)
    unused = "^the dataset has 2 movies: 0 to learn from, 0 held out to check the model, 2 of another split; it takes"
    with pytest.raises(TooLittleDataError, match=unused):
        refuse_small(opened, opened.records(), Split((), ()), CONFIG.train, named=False)


def test_embeddings_shorter_than_the_views_are_a_corpus_like_any_other(tmp_path: Path) -> None:
    """Tracks with fewer faces than views are not mined, and M may be 2."""
    config = CONFIG.model_copy(update={"train": CONFIG.train.model_copy(update={"mining": MiningConfig(views=2)})})
    root = dataset(tmp_path, movies(3))
    assert trained(root, "multiface-mvcorr", tmp_path / "model", config).card.curve


def test_embeddings_stored_as_unit_vectors_tell_no_quality_and_the_card_says_so(tmp_path: Path) -> None:
    unit = {
        name: replace(movie, faces=[l2_normalised(faces) for faces in movie.faces]) for name, movie in movies().items()
    }
    card = trained(dataset(tmp_path, unit), CLOSED_FORM, tmp_path / "model").card
    assert UNTOLD in card.notes
    assert not load_model(tmp_path / "model").takes_faces


def test_the_closed_form_centres_faces_unless_told_not_to(corpus: str, tmp_path: Path) -> None:
    trained(corpus, CLOSED_FORM, tmp_path / "centred")
    assert load_model(tmp_path / "centred").takes_faces
    plain = load_config(overrides=["train.centring.degree=null", "train.calibration.pairs=20"])
    assert UNTOLD not in trained(corpus, CLOSED_FORM, tmp_path / "plain", plain).card.notes
    assert not load_model(tmp_path / "plain").takes_faces


def test_the_closed_form_is_fitted_anew_to_all_movies_and_its_figures_are_of_the_one_that_was_checked(
    corpus: str, tmp_path: Path
) -> None:
    def fit(name: str, *changed: str) -> ModelCard:
        config = load_config(overrides=["train.centring.degree=null", "train.calibration.pairs=20", *changed])
        return trained(corpus, CLOSED_FORM, tmp_path / name, config).card

    whole, checked = fit("whole"), fit("checked", "train.subspace.refit=false")
    assert (whole.refit, checked.refit) == (True, False)
    assert whole.fitted_movies == tuple(sorted(movies()))
    assert checked.fitted_movies == checked.train_movies == whole.train_movies
    assert whole.fitted_tracks == whole.train_tracks + whole.validation_tracks > checked.fitted_tracks
    assert whole.held_out == checked.held_out
    assert "of the 1 movie held out, by the model that had not seen them" in whole.calibration
    assert "training movies" in checked.calibration
    assert any(note.startswith(f"the weights are of all {len(movies())} movies") for note in whole.notes)

    def solved(names: tuple[str, ...]) -> np.ndarray:
        plain = load_config(overrides=["train.centring.degree=null"]).train
        return fit_subspace(total(measure_one(MovieJob(corpus, name, plain)) for name in names).sums).V

    for model, card in (("whole", whole), ("checked", checked)):
        np.testing.assert_array_equal(load_file(tmp_path / model / WEIGHTS)["V"], solved(card.fitted_movies))


def test_where_too_few_pairs_are_held_out_the_threshold_is_of_the_training_movies(corpus: str, tmp_path: Path) -> None:
    pairs = load_config(overrides=["train.calibration.pairs=60"])
    card = trained(corpus, CLOSED_FORM, tmp_path / "model", pairs).card
    assert card.refit
    assert card.threshold is not None
    assert card.calibration.endswith(f"pairs of the {len(card.train_movies)} training movies")


def test_what_movies_held_out_tell_stands_on_the_card_and_is_printed_first(
    castmine: Castmine, corpus: str, tmp_path: Path
) -> None:
    few = [f"--set=train.{key}.pairs=20" for key in ("calibration", "recognition")]
    ran = castmine("train", "-d", corpus, "-o", tmp_path / "model", "--workers", "1", *few)
    card = load_model(tmp_path / "model").card
    assert list(card.held_out)[:2] == ["known_again", "equal_error"]
    assert card.held_out["known_again"].before > 0
    lines = [line for line in ran.out.splitlines() if line.startswith("  held out: ")]
    assert "people known again in" in lines[0]
    assert "are confused (equal error; less is better)" in lines[1]
    assert "2% of these contradict each other" in ran.out


def test_both_a_preset_and_a_method_is_wrong_usage(castmine: Castmine, corpus: str, tmp_path: Path) -> None:
    ran = castmine("train", "-d", corpus, "--preset", "bcl", "--method", "triplet", "-o", tmp_path / "model", status=2)
    assert "not both" in ran.err


def test_a_folder_of_something_else_is_refused_before_anything_is_trained(corpus: str, tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"x")
    with pytest.raises(DatasetError, match="exists and is not a model"):
        trained(corpus, "multiface-mvcorr", tmp_path)


def job(root: str, folder: Path) -> FitJob:
    split = split_movies(dict.fromkeys(movies()))
    return FitJob(root, "multiface-imptriplet", CONFIG.train, split, 8, "cpu", folder, 1.0)


def test_every_task_declares_the_memory_that_its_movie_takes(tmp_path: Path) -> None:
    """An upper bound that follows the movie's faces, tracks and links; 5,000 tracks in pairs are 1.0 GB more."""
    films = {"long": made_up_movie(1, tracks=60), "short": made_up_movie(2, tracks=20)}
    opened = Dataset.open(dataset(tmp_path, films))
    records, split = opened.records(), Split(("long",), ("short",))
    mining = _jobs(opened, records, split, CONFIG.train)
    verifying = _verify_jobs(opened, records, [], CONFIG)
    assert [job.movie_id for job in mining] == [job.movie_id for job in verifying] == ["long", "short"]
    faces = sum(len(faces) for faces in films["long"].faces)
    record = opened.record("long")
    assert record is not None
    numbers = 8 * (faces + 60 * 4 + 2 * record.rows("links"))
    assert mining[0].memory_gb == pytest.approx(0.5 + 32 * numbers / 1e9)
    assert verifying[0].memory_gb - mining[0].memory_gb == pytest.approx(82 * 60 * 59 / 2 / 1e9)
    assert [job.memory_gb for job in _jobs(opened, records, Split(("short",), ()), CONFIG.train)] < [0.5 + 1e-4]


def weights(model: Path) -> bytes:
    return (model / "model.safetensors").read_bytes()


def test_another_training_does_not_go_on_from_the_checkpoints(corpus: str, tmp_path: Path) -> None:
    stopped = tmp_path / ".model.training"
    Checkpoints(stopped).begin({"method": "bcl"}, resume=False)
    with pytest.raises(ConfigError, match="cannot go on, castmine was None and is now "):
        trained(corpus, "multiface-mvcorr", tmp_path / "model", resume=True)
    trained(corpus, "multiface-mvcorr", tmp_path / "model")
    assert not stopped.exists()


@pytest.mark.slow
def test_a_corpus_run_begins_anew_where_labels_have_changed_since_its_training_was_stopped(tmp_path: Path) -> None:
    root, out = dataset(tmp_path, movies()), tmp_path / "model"
    split, config = split_movies(dict.fromkeys(movies())), filled(recipe("bcl"), CONFIG.train)
    stopped = Corpus(root, Dataset.open(root).records(), split, config, {}, lambda embedding=None, centring=None: {})
    Checkpoints(tmp_path / ".model.training").begin(_settings(stopped, "bcl"), resume=False)
    (tmp_path / "labels.csv").write_text(f"movie_id,track_id,identity\n{split.train[0]},0,1\n")
    import_labels(tmp_path / "labels.csv", Dataset.open(root))
    with pytest.raises(ConfigError, match=f"cannot go on, labels.{split.train[0]} was "):
        trained(root, "bcl", out, resume=True)
    one = CONFIG.model_copy(update={"run": RunConfig(workers=1)})
    pack = Pack("imported", "", (), "imported-8", None)
    session = Session(one, Places("", root, "", out, tmp_path / "sheets"), [], "pack", pack, Dataset.open(root))
    assert _learn(session, "bcl", out).method == "bcl"


def pids_of_training(token: str) -> Iterator[int]:
    """Processes of the tests' own Ray that are training."""
    for entry in Path("/proc").iterdir():
        try:
            title, environment = (entry / "cmdline").read_bytes(), (entry / "environ").read_bytes()
        except OSError:
            continue
        if token.encode() in environment and (b"fit_on_worker" in title or b"RayTrainWorker" in title):
            yield int(entry.name)


def until_epoch(checkpoints: Checkpoints, process: "subprocess.Popen[str]", least: int = 2) -> None:
    """Wait until so many epochs are saved."""
    deadline = time.monotonic() + 200
    while not checkpoints.numbers() or checkpoints.numbers()["progress"]["epoch"] < least:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "no epoch was saved"
        time.sleep(0.02)


LONG = ["train.fit.epochs=30", "train.fit.epoch_steps=20", "train.fit.patience=30", "train.fit.batch=32"]
LONG += ["train.network.name=C1", "train.calibration.pairs=20"]
"""Some 600 quick steps: enough for a stop to fall between two epochs."""


def command(corpus: str, out: Path, workers: int) -> list[object]:
    names = ["--preset", "multiface-imptriplet", "--workers", workers]
    return ["train", "-d", corpus, "-o", out, *names, *(f"--set={key}" for key in LONG)]


@pytest.fixture(scope="module")
def undisturbed(corpus: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that nobody stopped."""
    out = tmp_path_factory.mktemp("undisturbed") / "model"
    trained(corpus, "multiface-imptriplet", out, load_config(overrides=LONG))
    return out


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_killed_worker_is_replaced_and_the_weights_are_the_same(
    castmine: Castmine, corpus: str, undisturbed: Path, tmp_path: Path, workers: int
) -> None:
    out = tmp_path / "model"
    process = castmine.start(*command(corpus, out, workers))
    until_epoch(Checkpoints(tmp_path / ".model.training"), process)
    os.kill(next(pids_of_training(castmine.environment["RAY_AUTH_TOKEN"])), signal.SIGKILL)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert not (tmp_path / ".model.training").exists()
    assert len(load_model(out).card.curve) == 30
    if workers == 1:
        assert weights(out) == weights(undisturbed)
    else:  # two workers add up in another order: float32
        rows = np.random.default_rng(0).normal(size=(50, 8))
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        np.testing.assert_allclose(
            load_model(out).embed_tracks(rows), load_model(undisturbed).embed_tracks(rows), atol=1e-3
        )


@pytest.mark.slow
def test_a_training_stopped_by_ctrl_c_goes_on_to_the_same_weights(
    castmine: Castmine, corpus: str, undisturbed: Path, tmp_path: Path
) -> None:
    out = tmp_path / "model"
    process = castmine.start(*command(corpus, out, 1))
    checkpoints = Checkpoints(tmp_path / ".model.training")
    until_epoch(checkpoints, process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "with --resume" in err
    assert not out.exists()
    trained(corpus, "multiface-imptriplet", out, load_config(overrides=LONG), resume=True)
    assert weights(out) == weights(undisturbed)


def test_a_worker_goes_on_where_the_last_one_was(corpus: str, tmp_path: Path) -> None:
    """An error of ours is returned, not raised: Ray Train would take it for a lost worker."""
    missing = replace(job(corpus, tmp_path), split=replace(job(corpus, tmp_path).split, train=("film-9",)))
    assert isinstance(fit_on_worker(missing), DatasetError)
