"""TSiam: a siamese network fitted to one movie, its pairs of faces taken from tracks and their cannot-links.

Sharma et al. (2019), methods.md §3: per face 2 positives of its own track, 4 negatives of tracks seen with it.
"""

import numpy as np

from cluster.adapt.adapted import Adapted, Chips, Keeper, as_they_came
from cluster.adapt.siamese import fit_siamese
from cluster.config import AdaptConfig
from cluster.constraints import Integers
from cluster.tracks import Faces
from train.batches import Array
from train.config import TrackPairsConfig
from train.masks import FacePairs, track_pairs
from train.normalise import track_means


def tsiam(
    faces: Faces, cannot_link: Integers, config: AdaptConfig, keeper: Keeper, chips: Chips | None = None
) -> Adapted:
    """Unit faces (n_i, d) of n tracks and index pairs (m, 2) → their outputs on the 512-d layer.

    Pairs are drawn anew every epoch †. A track seen with no other takes its negatives from its 25 farthest tracks, so a
    movie without any cannot-link can be adapted too; one of fewer than two tracks, or in which every track has one
    face, cannot: it is returned as it came.
    """
    if len(faces) < 2:
        return as_they_came(faces, "fewer than two tracks: no face to push away")
    if max(len(of_track) for of_track in faces) < 2:
        return as_they_came(faces, "every track has one face: no two faces are known to be one person's")
    rows = TrackPairRows(faces, cannot_link, config.tsiam.pairs, config.seed)
    return fit_siamese(
        faces,
        lambda network: rows,
        config.tsiam.loss,
        keeper,
        batch=min(config.tsiam.batch, len(rows)),
        epochs=config.tsiam.epochs,
        rate=config.tsiam.rate,
        seed=config.seed,
    )


class TrackPairRows:
    """A row is one of an epoch's pairs of faces; an epoch's pairs follow from (seed, epoch)."""

    def __init__(self, faces: Faces, cannot_link: Integers, config: TrackPairsConfig, seed: int) -> None:
        self._faces = np.concatenate(faces).astype(np.float32)
        self._counts = np.array([len(of_track) for of_track in faces])
        self._means, self._cannot_link = track_means(faces), cannot_link
        self._config, self._seed = config, seed
        self._epoch, self._pairs = 0, self._draw(0)
        self._rows = len(self._pairs.pairs)

    def __len__(self) -> int:
        return self._rows

    def take(self, rows: Integers, epoch: int) -> tuple[Array, tuple[Array, ...]]:
        if epoch != self._epoch:
            self._epoch, self._pairs = epoch, self._draw(epoch)
        return FacePairs(self._pairs.pairs[rows], self._pairs.must_link[rows]).batch(self._faces)

    def _draw(self, epoch: int) -> FacePairs:
        generator = np.random.default_rng((self._seed, epoch))
        return track_pairs(self._counts, self._means, self._cannot_link, generator, self._config)
