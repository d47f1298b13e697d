"""Validation by identity (BCL §4): some people are kept back from training, and a clustering of them is scored."""

import hashlib
import re
from collections.abc import Iterable, Sequence

import numpy.typing as npt
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist
from sklearn.metrics import normalized_mutual_info_score

from harvest.errors import TooLittleDataError
from train.config import SplitConfig

LEAST_TRAINED = 2
"""Fewest identities to learn from: a loss needs someone to tell someone from."""
NOBODY = re.compile(r"unknown|label \d+$", re.IGNORECASE)
"""Begins names that tell a movie's people apart and say not who they are: BCL's unknown_e03_10, which two series have,
and the numbers of SSiam's release."""


def person(name: str, movie_id: str) -> str:
    """One name is one person in all movies, but one that says nobody is a person of its movie alone †."""
    return f"{name} of {movie_id}" if NOBODY.match(name) else name


def held_back(identities: Iterable[str], config: SplitConfig | None = None) -> frozenset[str]:
    """The identities that validate: `identity_share` of them, at least two, by a hash of the name.

    Raises TooLittleDataError where none or one would be left to learn from.
    """
    names = set(identities)
    count = max(2, round((config or SplitConfig()).identity_share * len(names)))
    if len(names) < count + LEAST_TRAINED:
        raise TooLittleDataError(
            f"the training movies have {len(names)} identities and the method needs at least {count + LEAST_TRAINED}, "
            f"{count} of them kept back to validate; name more tracks: castmine labels import FILE.csv"
        )
    return frozenset(sorted(names, key=lambda name: (hashlib.sha256(name.encode()).digest(), name))[:count])


def clustering_score(
    embeddings: npt.ArrayLike, identities: Sequence[str], squared_radius: float | None = None
) -> float:
    """NMI, 2I/(H + H), of complete-linkage clusters on squared Euclidean distance.

    They stop at 4b where `squared_radius` b is given (BCL §3.3), else at the true number of identities.
    """
    tree = linkage(pdist(embeddings, "sqeuclidean"), "complete")
    if squared_radius is None:
        found = fcluster(tree, len(set(identities)), "maxclust")
    else:
        found = fcluster(tree, 4 * squared_radius, "distance")
    return float(normalized_mutual_info_score(list(identities), found))
