"""The published features of Ball Cluster Learning (2019) as movies: tracks of TV episodes with their people.

A folder with `features/<video>/<track_id>.npy`, frames × 256 each, and `ids/<video>.ids`. It holds no frame times.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from harvest.errors import CorpusError
from harvest.imported import ImportedMovie, TrackRows, imported_movie

HEADER = "CVHCI_TRACKLABELS"
"""Begins the first line of a label file."""


def read_bcl(folder: Path) -> Iterator[ImportedMovie]:
    """Each video that has features, by name; tracks without a label are there and unnamed.

    The folder may also be the release's checkout, which has both in `data`. Raises CorpusError where the folder, a
    video's features or a label file is not as the release has it.
    """
    folder = folder / "data" if (folder / "data/features").is_dir() else folder
    features = folder / "features"
    videos = sorted(path for path in features.glob("*") if path.is_dir()) if features.is_dir() else []
    if not videos:
        raise CorpusError(
            f"{folder}: has no features/<video>/<track_id>.npy; unpack the features of the release there, beside ids/"
        )
    for video in videos:
        labels = folder / "ids" / f"{video.name}.ids"
        if not labels.is_file():
            raise CorpusError(f"{labels}: is missing, and {video} has features; copy the label files of the release")
        yield _movie(video, read_ids(labels))


def read_ids(path: Path) -> dict[int, str]:
    """Identity by track_id of a label file: a header, then `track_id name` a line. Raises CorpusError on others."""
    try:
        header, *lines = path.read_text(encoding="utf-8").splitlines() or [""]
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(f"{path}: cannot be read as a file of labels ({error})") from error
    if not header.startswith(HEADER):
        raise CorpusError(f"{path}: does not begin with {HEADER}…; it is no label file of this release")
    names: dict[int, str] = {}
    for number, line in enumerate(lines, start=2):
        words = line.split(maxsplit=1)
        if not words:
            continue
        if len(words) != 2 or not words[0].isdigit():
            raise CorpusError(f"{path}: line {number} is {line!r}, not a track's number and a name")
        if names.setdefault(int(words[0]), words[1].strip()) != words[1].strip():
            raise CorpusError(f"{path}: line {number} names track {words[0]} a second time, otherwise")
    return names


def _movie(video: Path, names: dict[int, str]) -> ImportedMovie:
    files = {int(path.stem): path for path in video.glob("*.npy") if path.stem.isdigit()}
    if not files:
        raise CorpusError(f"{video}: holds no <track_id>.npy")
    faces = [_features(files[track]) for track in sorted(files)]
    digest = hashlib.blake2b(repr(sorted(names.items())).encode(), digest_size=16)
    for track, embeddings in zip(sorted(files), faces, strict=True):
        digest.update(repr((track, embeddings.shape)).encode() + embeddings.tobytes())
    known = {track: name for track, name in names.items() if track in files}
    rows = TrackRows.in_a_row(sorted(files), faces)
    return imported_movie(video.name, rows, known, digest.hexdigest(), str(video))


def _features(path: Path) -> np.ndarray:
    try:
        faces = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise CorpusError(f"{path}: cannot be read as an array ({error})") from error
    return np.atleast_2d(np.asarray(faces, np.float32))
