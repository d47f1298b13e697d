"""Where merging stops in a space that was fitted to one movie: it has no card, so the movie itself must say.

methods.md §5 and §3; train/calibration.py is the same for a whole corpus.
"""

import numpy as np

from cluster.adapt.adapted import Adapted
from cluster.config import AdaptConfig
from cluster.constraints import Floats, Integers
from harvest.errors import TooLittleDataError
from train.calibration import LinkDistances, equal_error_threshold
from train.mining import mine_movie


def adapted_threshold(
    adapted: Adapted, cannot_link: Integers, base: Floats, threshold: float, config: AdaptConfig
) -> tuple[float, str]:
    """Cosine distance at which the adapted movie's clusters end, and how it came about, in words.

    `base`: (n, d) unit track means before, whose own `threshold` is known. By links, or carried over from there
    (`config.threshold`); carried too where the movie has too few links to say.
    """
    if "not_adapted" in adapted.notes:
        return threshold, "the base's own: the movie was not adapted"
    if config.threshold == "links":
        try:
            return _by_links(adapted, cannot_link, config)
        except TooLittleDataError:
            pass
    share, value = carried_threshold(base, adapted.means(), threshold)
    return value, f"carried over: {share:.4f} of the track pairs are nearer, as at {threshold} before"


def carried_threshold(base: Floats, means: Floats, threshold: float) -> tuple[float, float]:
    """The share of the pairs of unit rows `base` (n, d) within the threshold, and a cosine distance within which as
    many pairs of `means` (n, D) are: halfway to the next farther one; of none, halfway to the nearest; n ≥ 2."""
    before, after = (
        np.sort(1 - (rows @ rows.T)[np.triu_indices(len(rows), 1)]).clip(0, 2) for rows in (base, means)
    )  # fmt: skip
    nearer = int((before <= threshold).sum())
    bounds = np.concatenate([[0.0], after, [2.0]])
    return nearer / len(before), float(bounds[nearer : nearer + 2].mean())


def _by_links(adapted: Adapted, cannot_link: Integers, config: AdaptConfig) -> tuple[float, str]:
    mined = mine_movie(adapted.student, cannot_link)
    distances = LinkDistances.of(mined.tracklets, adapted.means(), cannot_link, config.calibration)
    found = equal_error_threshold(distances, config.calibration)
    how = (
        f"equal error {found.equal_error:.4f} between {found.positive_pairs} hard-positive pairs and "
        f"{found.negative_pairs} cannot-link pairs of this movie"
    )
    return found.value, how
