"""The folder of an interrupted training: what is saved comes back, and another training does not go on from it."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from harvest.errors import ConfigError, DatasetError
from train.checkpoint import SETTINGS, STATE, Checkpoints
from train.fit import FitState

SETTING: dict[str, Any] = {"method": "bcl", "train": {"fit": {"batch": 2000}}}


def state(epoch: int) -> FitState:
    return FitState({"network.w": torch.full((2, 3), float(epoch))}, {"progress": {"epoch": epoch}, "history": []})


def test_the_last_state_comes_back_and_nothing_else_is_left(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / ".model.training")
    assert not checkpoints.begin(SETTING, resume=True)
    assert checkpoints.load() is None
    assert checkpoints.numbers() == {}
    for epoch in (1, 2):
        checkpoints.save(state(epoch))
    assert sorted(path.name for path in checkpoints.folder.iterdir()) == [SETTINGS, STATE]
    assert checkpoints.begin(SETTING, resume=True)
    loaded = checkpoints.load()
    assert loaded is not None
    assert torch.equal(loaded.tensors["network.w"], state(2).tensors["network.w"])
    assert loaded.numbers == checkpoints.numbers() == state(2).numbers
    checkpoints.remove()
    assert not list(tmp_path.iterdir())


def test_without_resume_training_begins_anew(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.begin(SETTING, resume=False)
    checkpoints.save(state(1))
    assert not checkpoints.begin(SETTING, resume=False)
    assert checkpoints.load() is None


def test_a_training_with_other_settings_is_not_gone_on_with(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.begin(SETTING, resume=False)
    checkpoints.save(state(1))
    with pytest.raises(ConfigError, match=r"train\.fit\.batch was 2000 and is now 64; set that back, or leave out"):
        checkpoints.begin(SETTING | {"train": {"fit": {"batch": 64}}}, resume=True)
    assert checkpoints.load() is not None


def test_a_crash_while_saving_leaves_the_epoch_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.begin(SETTING, resume=False)
    checkpoints.save(state(1))

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", crash)
    with pytest.raises(KeyboardInterrupt):
        checkpoints.save(state(2))
    assert checkpoints.numbers()["progress"]["epoch"] == 1


def test_a_damaged_state_is_refused_by_name(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.begin(SETTING, resume=False)
    (tmp_path / STATE).write_bytes(b"x" * 20)
    with pytest.raises(DatasetError, match=r"state\.safetensors: cannot be read .*leave out --resume"):
        checkpoints.load()
    assert json.loads((tmp_path / SETTINGS).read_text()) == SETTING
