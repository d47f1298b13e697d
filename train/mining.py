"""Hard positives and hard negatives of one movie, from tracks and cannot-link pairs alone.

Multi-Face §3 (methods.md §1): M tracklets of a track that look as unlike each other as the track allows, and the
co-visible track that looks most like it. Ties go to the lower index; the order in time plays no part.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import pdist, squareform

from train.config import MiningConfig
from train.normalise import Floats, Integers, l2_normalised, track_means


@dataclass(frozen=True)
class MinedTracks:
    """The mined tracks of a movie, in the order of their index."""

    tracks: Integers
    """(t,) index of the track."""
    tracklets: Floats
    """(t, M, d) unit rows; view 0 is the anchor, views 1 … the hard positives, farthest first."""
    hard_negatives: Integers
    """(t,) index of the track that is nearest to the anchor among those seen together with it."""
    members: list[list[Integers]]
    """Of each track, of each of its M tracklets, the rows of the track's faces that it is the mean of."""

    def faces(self, tracks: Sequence[npt.ArrayLike]) -> list[Floats]:
        """Of the faces (n_i, d) of all tracks those of every tracklet, (k, d), track by track."""
        of_tracks = zip(self.tracks, self.members, strict=True)
        return [np.asarray(tracks[track])[rows] for track, views in of_tracks for rows in views]


def mine_track(
    faces: npt.ArrayLike, config: MiningConfig | None = None, by_length: bool = False
) -> tuple[Floats, list[Integers]] | None:
    """Raw faces (N, d) → (M, d) unit tracklets, the anchor first, and the faces of each; None where N < M.

    With D the distances of the l2-normalised faces, `a, p1 = argmax D` (a the earlier). Each tracklet is the mean of
    the k = ⌊N/M⌋ faces nearest to its centre, which leave the pool: centre a, then p1, then always the face of the pool
    farthest from a. The N − kM faces left over are not used. `by_length`: a face weighs as much as it is long.
    """
    views = (config or MiningConfig()).views
    units = l2_normalised(faces, "faces of a track")
    if len(units) < views:
        return None
    rows = np.asarray(faces, dtype=np.float64) if by_length else units
    # pdist takes each pair through the same sum, so equal faces tie exactly, which a matrix product does not promise.
    distances = squareform(pdist(units, "sqeuclidean"))
    upper = np.triu_indices(len(units), k=1)
    farthest = int(np.argmax(distances[upper]))
    first_two = int(upper[0][farthest]), int(upper[1][farthest])
    pool = np.arange(len(units))
    members: list[Integers] = []
    for view in range(views):
        centre = first_two[view] if view < 2 else pool[np.argmax(distances[first_two[0], pool])]
        nearest = np.argsort(distances[centre, pool], kind="stable")[: len(units) // views]
        members.append(pool[nearest])
        pool = np.delete(pool, nearest)
    return l2_normalised([rows[view].mean(axis=0) for view in members], "tracklets of a track"), members


def mine_movie(
    tracks: Sequence[npt.ArrayLike],
    cannot_link: npt.ArrayLike,
    config: MiningConfig | None = None,
    by_length: bool = False,
) -> MinedTracks:
    """Mine the tracks that have at least M faces and at least one cannot-link partner.

    `tracks`: raw faces (n_i, d) of every track of the movie; `cannot_link`: (m, 2) indices into it. `by_length`: in a
    mean a face weighs as much as it is long. Beside them and the tracklets it holds one track at a time: 17 MB for 704
    tracks of 63 faces of 512-d, which are 91 MB. Raises DatasetError on NaN, infinity or a zero row.
    """
    config = config or MiningConfig()
    partners = _partners(cannot_link, len(tracks))
    means = track_means(tracks, by_length)
    kept: list[int] = []
    tracklets: list[Floats] = []
    negatives: list[int] = []
    members: list[list[Integers]] = []
    for track, others in enumerate(partners):
        found = mine_track(tracks[track], config, by_length) if len(others) else None
        if found is not None:
            kept.append(track)
            tracklets.append(found[0])
            members.append(found[1])
            negatives.append(int(others[np.argmax(means[others] @ found[0][0])]))
    return MinedTracks(
        tracks=np.array(kept, dtype=np.int64),
        tracklets=np.stack(tracklets) if tracklets else np.zeros((0, config.views, means.shape[1])),
        hard_negatives=np.array(negatives, dtype=np.int64),
        members=members,
    )


def _partners(cannot_link: npt.ArrayLike, tracks: int) -> list[Integers]:
    """For each track the sorted indices of its cannot-link partners."""
    pairs = np.asarray(cannot_link, dtype=np.int64).reshape(-1, 2)
    both = np.unique(np.concatenate([pairs, pairs[:, ::-1]]), axis=0)
    return np.split(both[:, 1], np.searchsorted(both[:, 0], np.arange(1, tracks)))
