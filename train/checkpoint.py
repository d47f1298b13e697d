"""An interrupted training's folder: what is trained (settings.json) and how far it is (one safetensors file).

The state is replaced in one rename after each epoch, so that there is always one whole state, of some epoch's end.
"""

import json
import os
import shutil
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from harvest.errors import DatasetError, OtherTrainingError
from train.fit import FitState

SETTINGS, STATE = "settings.json", "state.safetensors"
NUMBERS = "numbers"
"""Key of the state's JSON in the header of the safetensors file."""


class Checkpoints:
    """The folder of one training."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def begin(self, settings: dict[str, Any], resume: bool) -> bool:
        """Make the folder ready; returns whether there is a state to go on from.

        Raises OtherTrainingError where the training to be resumed had other settings: the first that differs is named.
        Raises DatasetError where the folder cannot be written.
        """
        wanted = json.loads(json.dumps(settings))
        if resume and (self.folder / SETTINGS).is_file():
            if changed := _changed(json.loads((self.folder / SETTINGS).read_text()), wanted):
                raise OtherTrainingError(
                    f"{self.folder}: cannot go on, {changed}; set that back, or leave out --resume to begin anew"
                )
            return (self.folder / STATE).is_file()
        try:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
            _put(self.folder / SETTINGS, lambda path: path.write_text(json.dumps(wanted, indent=2, ensure_ascii=False)))
        except OSError as error:
            raise DatasetError(f"{self.folder}: cannot be written ({error.strerror}); choose another --out") from error
        return False

    def save(self, state: FitState) -> None:
        """Put a state in place of the last one."""
        header = {NUMBERS: json.dumps(state.numbers)}
        _put(self.folder / STATE, lambda path: save_file(state.tensors, path, metadata=header))

    def load(self) -> FitState | None:
        """The last epoch's state; None before the first. Raises DatasetError where it cannot be read."""
        if not (self.folder / STATE).is_file():
            return None
        try:
            with safe_open(self.folder / STATE, framework="pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
                return FitState(tensors, json.loads(file.metadata()[NUMBERS]))
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            raise DatasetError(
                f"{self.folder / STATE}: cannot be read ({error}); leave out --resume to begin anew"
            ) from error

    def numbers(self) -> dict[str, Any]:
        """The state's JSON alone (`progress`, `history`); empty before the first epoch."""
        if not (self.folder / STATE).is_file():
            return {}
        with safe_open(self.folder / STATE, framework="pt") as file:
            found: dict[str, Any] = json.loads(file.metadata()[NUMBERS])
            return found

    def remove(self) -> None:
        """The training has ended."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _put(path: Path, write: Any) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    write(temporary)
    with temporary.open("rb") as handle:
        os.fsync(handle.fileno())
    os.replace(temporary, path)


def _changed(was: Any, wanted: Any, key: str = "") -> str:
    """The first setting that differs, in words; empty: none does."""
    if isinstance(was, dict) and isinstance(wanted, dict):
        for name in sorted(was.keys() | wanted.keys()):
            if found := _changed(was.get(name), wanted.get(name), f"{key}.{name}" if key else name):
                return found
        return ""
    return "" if was == wanted else f"{key} was {was!r} and is now {wanted!r}"
