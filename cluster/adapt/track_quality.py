"""Track quality by SER-FIQ, and the tracks of such poor quality that they are nobody.

Terhörst et al. (2020) on tracks: VideoClusterNet §3.6 and eq. 4 (methods.md §4.4).
"""

from itertools import combinations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from cluster.adapt.heads import Head
from cluster.config import TrackQualityConfig
from cluster.constraints import Floats, Integers


@torch.no_grad()
def face_quality(head: Head, embeddings: Tensor, config: TrackQualityConfig, seed: int) -> Floats:
    """Embeddings (n, d) as the head takes them → (n,) 2·sigmoid(−mean distance), between 0 and 1.

    Of the m = 10 l2-normalised outputs of one crop under m dropout masks of the last layer's inputs †, the mean over
    all pairs of their Euclidean distance. The masks follow from `seed` and are those of every crop †, so that crops
    differ by themselves alone.
    """
    hidden = head.hidden(embeddings)
    masks = np.random.default_rng(seed).random((config.passes, hidden.shape[1])) >= config.dropout
    kept = torch.from_numpy(masks).to(hidden) / (1 - config.dropout)
    outputs = [functional.normalize(head.last(hidden * mask), dim=1) for mask in kept]
    pairs = list(combinations(outputs, 2))
    distance = torch.stack([(a - b).norm(dim=1) for a, b in pairs]).mean(dim=0)
    return np.asarray((2 * torch.sigmoid(-distance)).double().numpy())


def unknown_tracks(faces: Floats, tracks: Integers, config: TrackQualityConfig) -> npt.NDArray[np.bool_]:
    """Quality of each face (f,) and its track (f,), 0 … n−1, none left out → (n,) True: under mean − 2.7 · MAD.

    A track's quality is its faces' mean; MAD = median |q − median q| over the tracks, unscaled.
    """
    quality = np.bincount(tracks, faces) / np.bincount(tracks)
    deviation = np.median(np.abs(quality - np.median(quality)))
    unknown: npt.NDArray[np.bool_] = quality < quality.mean() - config.deviations * deviation
    return unknown if deviation > 0 else np.zeros(len(quality), dtype=np.bool_)
