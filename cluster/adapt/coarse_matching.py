"""Which tracks are taken for one person while a movie is learned: a Gaussian per track, its own crops set the bar.

VideoClusterNet §3.5, eq. 3 (methods.md §4.3).
"""

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

from cluster.config import CoarseMatchingConfig
from cluster.constraints import Floats, Integers
from cluster.tracks import Faces


def matched_tracks(
    outputs: Faces, cannot_link: Integers, unknown: npt.NDArray[np.bool_], config: CoarseMatchingConfig
) -> Integers:
    """Outputs (n_i, d) of the crops of n tracks → pairs (m, 2), sorted: the second is a match of the first.

    A track's Gaussian has the mean μ and the covariance (1 − λ) S + λ T of its crops, T that of all crops of the movie,
    in the `dimensions` leading axes of the track means †. With the densities of its own crops sorted, its bar is the
    mean of the lowest quarter (⌈n/4⌉), in logs logsumexp − log ⌈n/4⌉; another track matches when its mean's density
    reaches the bar. The Gaussian's normalisation is on both sides and is left out. Unknown tracks match nobody and are
    matched by nobody, and two tracks seen together never match †.
    """
    means = np.stack([rows.mean(axis=0) for rows in outputs])
    axes = _leading_axes(means, config.dimensions)
    means = means @ axes
    projected = [rows @ axes for rows in outputs]
    every = np.concatenate(projected)
    total = np.cov(every.T, bias=True).reshape(axes.shape[1], -1) if len(every) > 1 else np.eye(axes.shape[1])
    total += np.finfo(np.float64).eps * (np.trace(total) + 1) * np.eye(len(total))
    allowed = np.ones((len(means), len(means)), dtype=np.bool_)
    np.fill_diagonal(allowed, False)
    allowed[unknown] = allowed[:, unknown] = False
    allowed[cannot_link[:, 0], cannot_link[:, 1]] = allowed[cannot_link[:, 1], cannot_link[:, 0]] = False
    for track in np.flatnonzero(~unknown):
        allowed[track] &= _reaching(projected[track], means, total, config)
    return np.argwhere(allowed).astype(np.int64)


def _reaching(crops: Floats, means: Floats, total: Floats, config: CoarseMatchingConfig) -> npt.NDArray[np.bool_]:
    """(n,) whether the density of each mean reaches the bar of the track with these crops."""
    centre = crops.mean(axis=0)
    centred = crops - centre
    covariance = (1 - config.shrinkage) * centred.T @ centred / len(crops) + config.shrinkage * total
    precision = np.linalg.inv(covariance)
    lowest = max(1, int(np.ceil(config.lowest * len(crops))))
    bar = logsumexp(np.sort(_log_density(centred, precision))[:lowest]) - np.log(lowest)
    reached: npt.NDArray[np.bool_] = _log_density(means - centre, precision) >= bar
    return reached


def _log_density(centred: Floats, precision: Floats) -> Floats:
    """(n,) up to the normalisation."""
    density: Floats = -0.5 * np.einsum("nd,de,ne->n", centred, precision, centred)
    return density


def _leading_axes(means: Floats, dimensions: int) -> Floats:
    """(d, q) principal axes of the means, q at most what they span."""
    _, spread, axes = np.linalg.svd(means - means.mean(axis=0), full_matrices=False)
    spanned = int((spread > 1e-9 * max(spread[0], 1e-300)).sum()) if len(spread) else 1
    return np.asarray(axes[: max(1, min(dimensions, spanned))].T, dtype=np.float64)
