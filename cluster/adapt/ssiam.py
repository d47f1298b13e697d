"""SSiam: a siamese network fitted to one movie by the hardest of the faces' own answers. It looks at no track.

Sharma et al. (2019), methods.md §3; with miner pseudo-rf it is that paper's baseline.
"""

import numpy as np
import torch

from cluster.adapt.adapted import Adapted, Chips, Keeper, as_they_came
from cluster.adapt.siamese import fit_siamese
from cluster.config import AdaptConfig, SsiamConfig
from cluster.constraints import Integers
from cluster.tracks import Faces
from train.batches import Array
from train.masks import nearest_and_farthest_pairs, ranked_pairs
from train.networks import SharedNetwork

FEWEST = 3
"""Faces of a step: with fewer, nobody has a nearest and a farthest of their own."""


def ssiam(
    faces: Faces, cannot_link: Integers, config: AdaptConfig, keeper: Keeper, chips: Chips | None = None
) -> Adapted:
    """Unit faces (n_i, d) of n tracks → their outputs on the 512-d layer; cannot-links play no part.

    A step ranks B = 3000 random faces, of a smaller movie a `share` of them: of all pairs (face, its nearest) the K
    farthest are alike, of all pairs (face, its farthest) the K nearest are not. A movie of fewer than two tracks or
    three faces is returned as it came.
    """
    count = sum(len(of_track) for of_track in faces)
    if len(faces) < 2 or count < FEWEST:
        return as_they_came(faces, "fewer than two tracks or three faces: nothing to rank")
    settings = config.ssiam
    return fit_siamese(
        faces,
        lambda network: RankedRows(faces, settings, config.seed, network),
        settings.loss,
        keeper,
        batch=max(FEWEST, min(settings.pairs.subset, round(settings.share * count))),
        epochs=settings.epochs,
        rate=settings.rate,
        seed=config.seed,
    )


class RankedRows:
    """A row is a face; a step's faces are ranked among themselves and become its pairs."""

    def __init__(self, faces: Faces, config: SsiamConfig, seed: int, network: SharedNetwork) -> None:
        self._faces = np.concatenate(faces).astype(np.float32)
        self._config, self._seed, self._network = config, seed, network
        self._mine = ranked_pairs if config.miner == "ranked" else nearest_and_farthest_pairs

    def __len__(self) -> int:
        return len(self._faces)

    def take(self, rows: Integers, epoch: int) -> tuple[Array, tuple[Array, ...]]:
        chosen = self._faces[rows]
        generator = np.random.default_rng((self._seed, epoch, int(rows[0])))
        return self._mine(self._ranked(chosen), generator, self._config.pairs).batch(chosen)

    @torch.no_grad()
    def _ranked(self, chosen: Array) -> Array:
        """What distances are taken of: the faces as they came, or as the network has them now."""
        if self._config.ranking == "base":
            return chosen
        return self._network.embed(torch.from_numpy(chosen)).numpy()
