"""A training goes on, and reads what was mined, only where all is as it was: settings, labels, mining; without Ray."""

from dataclasses import replace
from pathlib import Path

import pytest

from harvest.dataset.read import Dataset
from harvest.errors import ConfigError, DatasetError
from tests.train.tracks import made_up_movie
from tests.workflows.test_verify import dataset
from train.checkpoint import Checkpoints
from train.config import MiningConfig, TrainConfig
from train.presets import filled, recipe
from train.split import Split, split_movies
from workflows.labels import import_labels
from workflows.train.corpus import Corpus
from workflows.train.movies import MovieJob, measure_one
from workflows.train.recipe import _settings
from workflows.train.rows import read_learning


@pytest.fixture
def root(tmp_path: Path) -> str:
    return dataset(tmp_path, {f"film-{number}": made_up_movie(number) for number in range(4)})


def corpus(root: str, method: str, split: Split) -> Corpus:
    config = filled(recipe(method), TrainConfig())
    return Corpus(root, Dataset.open(root).records(), split, config, {}, lambda embedding=None, centring=None: {})


def rename(root: str, movie: str, folder: Path) -> None:
    (folder / "labels.csv").write_text(f"movie_id,track_id,identity\n{movie},0,Ann\n")
    import_labels(folder / "labels.csv", Dataset.open(root))


def test_a_method_that_learns_from_people_does_not_go_on_with_other_labels(root: str, tmp_path: Path) -> None:
    split = split_movies(dict.fromkeys([f"film-{number}" for number in range(4)]))
    stopped, began = tmp_path / ".model.training", corpus(root, "bcl", split)
    Checkpoints(stopped).begin(_settings(began, "bcl"), resume=False)
    rename(root, split.validation[0], tmp_path)
    assert not Checkpoints(stopped).begin(_settings(began, "bcl"), resume=True), "nothing is learned from that movie"
    rename(root, split.train[0], tmp_path)
    with pytest.raises(ConfigError, match=f"cannot go on, labels.{split.train[0]} was .*leave out --resume"):
        Checkpoints(stopped).begin(_settings(began, "bcl"), resume=True)


def test_a_method_that_takes_links_alone_goes_on_whatever_the_labels(root: str, tmp_path: Path) -> None:
    split = split_movies(dict.fromkeys([f"film-{number}" for number in range(4)]))
    began = corpus(root, "multiface-mvcorr", split)
    before = _settings(began, "multiface-mvcorr")
    rename(root, split.train[0], tmp_path)
    assert _settings(began, "multiface-mvcorr") == before


def test_a_training_does_not_go_on_where_a_movie_has_changed_sides(root: str, tmp_path: Path) -> None:
    stopped, split = tmp_path / ".model.training", Split(("film-0", "film-1", "film-2"), ("film-3",))
    Checkpoints(stopped).begin(_settings(corpus(root, "multiface-mvcorr", split), "multiface-mvcorr"), resume=False)
    moved = corpus(root, "multiface-mvcorr", Split(("film-0", "film-1"), ("film-2", "film-3")))
    with pytest.raises(ConfigError, match=r"cannot go on, split\.film-2 was 'train' and is now 'validation'"):
        Checkpoints(stopped).begin(_settings(moved, "multiface-mvcorr"), resume=True)


def test_tracklets_that_another_training_mined_otherwise_are_refused(root: str) -> None:
    config = filled(recipe("multiface-mvcorr"), TrainConfig())
    job = MovieJob(root, "film-0", config)
    split = Split(train=("film-0",), validation=())
    measure_one(job)
    assert len(read_learning(Dataset.open(root), recipe("multiface-mvcorr"), split, config).rows)
    measure_one(replace(job, config=TrainConfig(mining=MiningConfig(views=2))))
    with pytest.raises(DatasetError, match=r"film-0: another training mined it with other settings"):
        read_learning(Dataset.open(root), recipe("multiface-mvcorr"), split, config)
