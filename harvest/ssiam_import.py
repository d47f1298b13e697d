"""The published features of SSiam (2019) as movies: MATLAB files of TV episodes.

Of each episode two files, or one: `features_vgg` (2048 × most frames × tracks) and the struct array `Tracks` with
`labelid` and `numframes`, found by the episode in their names (`bbt_s01e01…`). They hold no frame times.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from harvest.errors import CorpusError
from harvest.identity import content_hash
from harvest.imported import ImportedMovie, TrackRows, imported_movie
from harvest.matlab import array_shape, first_columns, struct_numbers, variables

EPISODE = re.compile(r".+?_s\d\d?e\d\d?", re.IGNORECASE)
"""What begins the names of an episode's files; where it does not, the whole name is the episode."""
FEATURES, TRACKS = "features_vgg", "Tracks"


def read_ssiam(folder: Path) -> Iterator[ImportedMovie]:
    """Each episode of which both variables are there, by name; a track's number is its place, its name its labelid.

    Raises CorpusError where there is no such episode, where two files have the features of one, or where a file cannot
    be read or does not fit the other.
    """
    found: dict[str, dict[str, Path]] = defaultdict(dict)
    for path in sorted(folder.rglob("*.mat")):
        match = EPISODE.match(path.stem)
        of_episode = found[match.group() if match else path.stem]
        for variable in variables(path) & {FEATURES, TRACKS}:
            if variable == FEATURES and FEATURES in of_episode:
                raise CorpusError(
                    f"{path}: has {FEATURES} of an episode of which {of_episode[FEATURES]} has them too; import each "
                    "from a folder of its own"
                )
            of_episode.setdefault(variable, path)
    episodes = {episode: files for episode, files in sorted(found.items()) if {FEATURES, TRACKS} <= set(files)}
    if not episodes:
        lacking = "; ".join(
            f"{episode} has only {', '.join(files)}" for episode, files in sorted(found.items()) if files
        )
        raise CorpusError(
            f"{folder}: has no episode with both {FEATURES} and {TRACKS} in .mat files"
            f"{f' ({lacking})' if lacking else ''}; unpack the release there"
        )
    for episode, files in episodes.items():
        yield _movie(episode, files[FEATURES], files[TRACKS])


def _movie(episode: str, features: Path, tracks: Path) -> ImportedMovie:
    labels, counts = (struct_numbers(tracks, TRACKS, name) for name in ("labelid", "numframes"))
    shape = array_shape(features, FEATURES)
    if shape[2] != len(counts):
        raise CorpusError(f"{features}: {FEATURES} of shape {shape} does not fit the {len(counts)} tracks")
    if not 0 < min(counts) <= max(counts) <= shape[1]:
        raise CorpusError(f"{tracks}: numframes from {min(counts)} to {max(counts)}, features have {shape[1]}")
    faces = list(first_columns(features, FEATURES, counts))
    names = {track: f"label {label}" for track, label in enumerate(labels)}
    digest = content_hash(str(features)) + (content_hash(str(tracks)) if tracks != features else "")
    rows = TrackRows.in_a_row(list(range(len(faces))), faces)
    return imported_movie(episode, rows, names, digest, f"{features}: {episode}")
