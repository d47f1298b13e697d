"""The published features of SSiam (2019) as movies: MATLAB files of TV episodes.

Of each episode two files, or one: `features_vgg` (2048 × most frames × tracks) and the struct array `Tracks` with
`labelid` and `numframes`, found by the episode in their names (`bbt_s01e01…`). They hold no frame times.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io

from harvest.errors import CorpusError
from harvest.identity import content_hash
from harvest.imported import ImportedMovie, TrackRows, imported_movie

EPISODE = re.compile(r".+?_s\d\d?e\d\d?", re.IGNORECASE)
"""What begins the names of an episode's files; where it does not, the whole name is the episode."""
FEATURES, TRACKS = "features_vgg", "Tracks"


def read_ssiam(folder: Path) -> Iterator[ImportedMovie]:
    """Each episode of which both variables are there, by name; a track's number is its place, its name its labelid.

    Raises CorpusError where there is no such episode, or where a file cannot be read or does not fit the other.
    """
    found: dict[str, dict[str, Path]] = defaultdict(dict)
    for path in sorted(folder.rglob("*.mat")):
        match = EPISODE.match(path.stem)
        for variable in _variables(path):
            found[match.group() if match else path.stem].setdefault(variable, path)
    episodes = {episode: files for episode, files in sorted(found.items()) if {FEATURES, TRACKS} <= set(files)}
    if not episodes:
        lacking = "; ".join(f"{episode} has only {', '.join(files)}" for episode, files in sorted(found.items()))
        raise CorpusError(
            f"{folder}: has no episode with both {FEATURES} and {TRACKS} in .mat files"
            f"{f' ({lacking})' if lacking else ''}; unpack the release there"
        )
    for episode, files in episodes.items():
        yield _movie(episode, files[FEATURES], files[TRACKS])


def _movie(episode: str, features: Path, tracks: Path) -> ImportedMovie:
    described = _load(tracks, TRACKS, simplify_cells=True)
    rows = [described] if isinstance(described, dict) else list(described)
    try:
        labels, counts = ([int(row[name]) for row in rows] for name in ("labelid", "numframes"))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise CorpusError(f"{tracks}: {TRACKS} must have the fields labelid and numframes, a number each") from error
    array = np.asarray(_load(features, FEATURES))
    array = array[:, :, None] if array.ndim == 2 else array  # MATLAB drops a last dimension of 1
    if array.ndim != 3 or array.shape[2] != len(rows):
        raise CorpusError(f"{features}: {FEATURES} of shape {array.shape} does not fit the {len(rows)} tracks")
    if not 0 < min(counts) <= max(counts) <= array.shape[1]:
        raise CorpusError(f"{tracks}: numframes from {min(counts)} to {max(counts)}, features have {array.shape[1]}")
    faces = [np.asarray(array[:, :count, track].T, np.float32) for track, count in enumerate(counts)]
    names = {track: f"label {label}" for track, label in enumerate(labels)}
    digest = content_hash(str(features)) + (content_hash(str(tracks)) if tracks != features else "")
    return imported_movie(
        episode, TrackRows.in_a_row(list(range(len(rows))), faces), names, digest, f"{features}: {episode}"
    )


def _variables(path: Path) -> list[str]:
    """Which of the two a file holds."""
    try:
        return [name for name, _, _ in scipy.io.whosmat(path) if name in (FEATURES, TRACKS)]
    except NotImplementedError as error:
        raise _too_new(path) from error
    except (OSError, ValueError, TypeError) as error:
        raise CorpusError(f"{path}: cannot be read as a MATLAB file ({error})") from error


def _load(path: Path, name: str, **how: bool) -> Any:
    try:
        return scipy.io.loadmat(path, variable_names=[name], **how)[name]
    except NotImplementedError as error:
        raise _too_new(path) from error
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise CorpusError(f"{path}: {name} cannot be read ({error})") from error


def _too_new(path: Path) -> CorpusError:
    return CorpusError(
        f"{path}: is a MATLAB 7.3 file, which is HDF5; load it in MATLAB or Octave and save it again with "
        f"save('{path.name}', '-v7'), features_vgg as single"
    )
