"""Which pairs of faces a pair loss sees as must-link or cannot-link: by tracks and links (TSiam), or by rank (SSiam).

Sharma et al., Self-Supervised Learning of Face Representations for Video Face Clustering (2019), methods.md §3. Arrays
in, arrays out, no loop over faces or pairs; the same generator state gives the same pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from harvest.errors import TooLittleDataError
from train.config import RankedPairsConfig, TrackPairsConfig
from train.normalise import Floats, Integers, l2_normalised

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class FacePairs:
    """Pairs of faces, each (first, second) once."""

    pairs: Integers
    """(p, 2) indices of faces."""
    must_link: Mask
    """(p,) True: alike; False: not."""

    def masks(self, faces: int) -> tuple[Mask, Mask]:
        """Must-link and cannot-link masks (faces, faces), as the contrastive loss takes them."""
        both = np.zeros((2, faces, faces), dtype=np.bool_)
        both[np.where(self.must_link, 0, 1), self.pairs[:, 0], self.pairs[:, 1]] = True
        return both[0], both[1]

    def batch(self, faces: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], tuple[Mask, Mask]]:
        """The faces (n, d) that occur in the pairs, once each, and their masks: what network and loss take."""
        used, places = np.unique(self.pairs, return_inverse=True)
        return faces[used], FacePairs(places.reshape(-1, 2), self.must_link).masks(len(used))


def track_pairs(
    faces: Sequence[int] | Integers,
    means: npt.ArrayLike,
    cannot_link: npt.ArrayLike,
    generator: np.random.Generator,
    config: TrackPairsConfig | None = None,
) -> FacePairs:
    """TSiam's pairs of a movie: of each face 2 positives of its own track and 4 negatives of tracks seen with it.

    `faces`: (t,) number of faces of each track, all ≥ 0, which are numbered track by track; `means`: (t, d) unit means
    of the base features; `cannot_link`: (m, 2) pairs of tracks. A track seen with no other (a singleton) takes its
    negatives from its F = 25 farthest tracks. Drawn evenly over the faces of those tracks, none twice for one face †;
    where there are fewer, all are taken †.
    """
    config = config or TrackPairsConfig()
    counts = np.asarray(faces, dtype=np.int64)
    track = np.repeat(np.arange(len(counts)), counts)
    first = np.cumsum(counts) - counts
    own = np.arange(len(track)) - first[track]
    face, drawn = _distinct(counts[track] - 1, config.positives, generator)
    # Numbers from the face's own on stand for the one after.
    alike = np.stack([face, first[track[face]] + drawn + (drawn >= own[face])], axis=1)
    owner, partner = _negative_tracks(np.asarray(means, dtype=np.float64), cannot_link, config.farthest)
    ends = np.cumsum(counts[partner])
    sizes = np.bincount(owner, counts[partner], minlength=len(counts)).astype(np.int64)
    face, drawn = _distinct(sizes[track], config.negatives, generator)
    place = (np.cumsum(sizes) - sizes)[track[face]] + drawn
    part = np.searchsorted(ends, place, side="right")
    unlike = np.stack([face, first[partner[part]] + place - (ends - counts[partner])[part]], axis=1)
    return FacePairs(np.concatenate([alike, unlike]), np.arange(len(alike) + len(unlike)) < len(alike))


def ranked_pairs(
    faces: npt.ArrayLike, generator: np.random.Generator, config: RankedPairsConfig | None = None
) -> FacePairs:
    """SSiam's pairs: of a random subset of B = 3000 faces the K = 64 farthest of all pairs (face, its nearest) are
    alike, and the K nearest of all pairs (face, its farthest) are not.

    `faces`: (n, d), n ≥ 3, base features or the network's current output. Two faces that are each other's nearest are
    one pair †; a pair that is found both ways is neither †. Raises TooLittleDataError on fewer than 3 faces.
    """
    config = config or RankedPairsConfig()
    chosen, alike, unlike, near, far = _own_answers(faces, generator, config.subset)
    hard_positives = alike[np.argsort(-near, kind="stable")[: config.pairs]]
    hard_negatives = unlike[np.argsort(far, kind="stable")[: config.pairs]]
    return _as_pairs(chosen, hard_positives, hard_negatives)


def nearest_and_farthest_pairs(
    faces: npt.ArrayLike, generator: np.random.Generator, config: RankedPairsConfig | None = None
) -> FacePairs:
    """Pseudo-RF, the baseline of SSiam: each face alone, its nearest is alike and its farthest is not; no ranking.

    Of a random subset of B faces, as `ranked_pairs` takes it †, and with its two exceptions.
    """
    config = config or RankedPairsConfig()
    chosen, alike, unlike, _, _ = _own_answers(faces, generator, config.subset)
    return _as_pairs(chosen, alike, unlike)


def _distinct(sizes: Integers, most: int, generator: np.random.Generator) -> tuple[Integers, Integers]:
    """For each row min(most, size) distinct numbers below its size, as (row, number), by row.

    Floyd's sampling, all rows at once: `most` steps, no shuffle of a pool that may hold a whole movie.
    """
    drawn = np.full((len(sizes), most), -1, dtype=np.int64)
    for step in range(most):
        last = sizes - most + step
        number = (generator.random(len(sizes)) * (last + 1)).astype(np.int64)
        taken = (drawn[:, :step] == number[:, None]).any(axis=1)
        drawn[:, step] = np.where(last < 0, -1, np.where(taken, last, number))
    rows, places = np.nonzero(drawn >= 0)
    return rows, drawn[rows, places]


def _negative_tracks(means: Floats, cannot_link: npt.ArrayLike, farthest: int) -> tuple[Integers, Integers]:
    """(track, a track whose faces are its negatives), sorted: those seen with it, or else its farthest."""
    pairs = np.asarray(cannot_link, dtype=np.int64).reshape(-1, 2)
    single = np.setdiff1d(np.arange(len(means)), pairs)
    distances = -(means[single] @ means.T)
    distances[np.arange(len(single)), single] = -np.inf
    others = np.argsort(-distances, axis=1, kind="stable")[:, : min(farthest, len(means) - 1)]
    chosen = np.stack([np.repeat(single, others.shape[1]), others.ravel()], axis=1)
    return tuple(np.unique(np.concatenate([pairs, pairs[:, ::-1], chosen]), axis=0).T)


def _own_answers(
    faces: npt.ArrayLike, generator: np.random.Generator, subset: int
) -> tuple[Integers, Integers, Integers, Floats, Floats]:
    """The subset (b,) and, indexing it, pairs (·, 2) of each face with its nearest and its farthest, with distances."""
    unit = l2_normalised(faces, "faces to be paired")
    if len(unit) < 3:
        raise TooLittleDataError(f"{len(unit)} faces have no nearest and farthest of their own; 3 are the fewest")
    chosen = np.sort(generator.choice(len(unit), min(subset, len(unit)), replace=False))
    distances = 1 - unit[chosen] @ unit[chosen].T
    np.fill_diagonal(distances, np.inf)
    nearest = _unordered(distances.argmin(axis=1))
    np.fill_diagonal(distances, -np.inf)
    farthest = _unordered(distances.argmax(axis=1))
    both = np.intersect1d(nearest, farthest)
    alike, unlike = (
        np.stack(np.divmod(np.setdiff1d(pairs, both), len(chosen)), axis=1) for pairs in (nearest, farthest)
    )
    return chosen, alike, unlike, distances[alike[:, 0], alike[:, 1]], distances[unlike[:, 0], unlike[:, 1]]


def _unordered(partner: Integers) -> Integers:
    """Each pair (i, partner[i]) as one number, lower index first."""
    rows = np.arange(len(partner))
    return np.minimum(rows, partner) * len(partner) + np.maximum(rows, partner)


def _as_pairs(chosen: Integers, alike: Integers, unlike: Integers) -> FacePairs:
    return FacePairs(chosen[np.concatenate([alike, unlike])], np.arange(len(alike) + len(unlike)) < len(alike))
