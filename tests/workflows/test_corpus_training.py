"""The training stage of a corpus run where nothing is learned: what is tried again, and what is kept in mind."""

from pathlib import Path
from typing import Any

import pytest

from harvest.dataset.commit import put_movie_record
from harvest.errors import ConfigError, OtherTrainingError, TooLittleDataError
from harvest.faces import Pack
from tests.harvest import small_dataset
from workflows.config import Config
from workflows.corpus.places import Places
from workflows.corpus.session import Session
from workflows.corpus.training import train_stage
from workflows.forgetting import forget_movie


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """Three movies of one pack, and no Ray."""
    dataset = small_dataset.make(tmp_path / "films")
    places = Places("", dataset.root, "", tmp_path / "model", tmp_path / "sheets")
    made = Session(Config(), places, [], "pack", Pack("pack", "", (), "m", None), dataset)
    made.start_ray = lambda: 1
    return made


@pytest.mark.parametrize(
    ("error", "tried"),
    [
        (ConfigError("the loss of epoch 3 is not a number"), [True]),
        (OtherTrainingError("cannot go on, the rate was 1 and is now 2"), [True, False]),
    ],
    ids=["it diverges", "another training was stopped"],
)
def test_a_training_is_begun_anew_only_where_another_one_was_stopped(
    session: Session, monkeypatch: pytest.MonkeyPatch, error: ConfigError, tried: list[bool]
) -> None:
    resumed = []

    def train(*_: Any, resume: bool = False, **__: Any) -> None:
        resumed.append(resume)
        raise error

    monkeypatch.setattr("workflows.train.run.train", train)
    outcome = train_stage(session)
    assert (outcome.state, outcome.said) == ("failed", f"{error}; clustering as the pack embeds")
    assert resumed == tried


def test_a_movie_of_another_pack_is_named_while_it_is_there_and_nowhere_once_it_is_forgotten(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = session.dataset
    old = dataset.record("lonely")
    assert old
    put_movie_record(dataset.store, old.model_copy(update={"models_hash": "of another pack"}))

    def train(*_: Any, **__: Any) -> None:
        raise TooLittleDataError("2 movies are too few")

    monkeypatch.setattr("workflows.train.run.train", train)
    told = "2 movies are too few"
    for _ in ("tried", "kept in mind"):
        refused = train_stage(session)
        assert (refused.state, refused.said) == ("refused", f"{told}; left out, harvested with other models: lonely")
    forget_movie(dataset, "lonely")
    assert train_stage(session).said == told
    naming = [file for file in Path(dataset.root).rglob("*") if file.is_file() and b"lonely" in file.read_bytes()]
    assert naming == []
