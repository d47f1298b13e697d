"""What a poor picture makes of every face is taken off, face by face, before any mean: no label, no link is needed.

The length of a face's raw embedding tells its quality: networks trained with a margin on the unit sphere give small,
blurred or dark faces short ones. Such faces of different people lie near each other, and links cannot show it, since a
track is about as good from end to end. So the mean face of each length is fitted and subtracted, and a face counts for
more in its track the longer it was.

That lengths tell quality, and that taking it off helps, was measured on one pack alone (MobileFaceNet, 128-d, on
photographed faces) †; for another, compare `castmine verify` of a model with and without it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harvest.errors import DatasetError
from train.config import CentringConfig
from train.normalise import Floats, l2_normalised, track_means

ALIKE = 1e-3
"""Standard deviation of log lengths under which they are one length, as of embeddings stored as unit vectors."""


@dataclass(frozen=True)
class CentringSums:
    """What the mean face of each length needs of some tracks, each with the weight of one; they add with `+`."""

    powers: Floats
    """(p + 1, p + 1): Σ r rᵀ, r = (1, t, … tᵖ) of a face's log length t."""
    faces: Floats
    """(p + 1, d): Σ r uᵀ, u the unit face."""

    @classmethod
    def of(cls, tracks: Sequence[npt.ArrayLike], degree: int) -> "CentringSums":
        """The sums of one movie's raw faces (n_i, d). Raises DatasetError on NaN, infinity or a zero row."""
        powers, faces = np.zeros((degree + 1, degree + 1)), np.zeros((degree + 1, 0))
        for track, raw in enumerate(tracks):
            unit, length = _lengths(raw, f"track {track}")
            rows = length[:, None] ** np.arange(degree + 1)
            powers += rows.T @ rows / len(rows)
            cross = rows.T @ unit / len(rows)
            faces = faces + cross if faces.size else cross
        return cls(powers, faces)

    def __add__(self, other: "CentringSums") -> "CentringSums":
        # A movie without any track does not know its embedding size.
        if not (self.faces.size and other.faces.size):
            return self if self.faces.size else other
        return CentringSums(self.powers + other.powers, self.faces + other.faces)


@dataclass(frozen=True)
class FaceCentring:
    """What it does to a face u / |u| of log length t: subtract the mean face at t, weigh by exp(t − t̄)ʷ."""

    coefficients: Floats
    """(p + 1, d): the mean face as a polynomial in t."""
    lengths: Floats
    """(3,): t̄, and the lowest and highest t that are believed; beyond, mean face and weight stay as they are there."""
    weight: float
    """w."""

    def apply(self, faces: npt.ArrayLike, what: str = "track") -> Floats:
        """Raw faces (n, d) → (n, d) whose directions are the centred faces and whose lengths are their weights.

        Raises DatasetError on NaN, infinity or a zero row, and where d is not that of the corpus it was fitted to.
        """
        unit, length = _lengths(faces, what)
        if unit.shape[1] != self.coefficients.shape[1]:
            raise DatasetError(f"a model for {self.coefficients.shape[1]}-d embeddings on a {unit.shape[1]}-d dataset")
        mean, lowest, highest = self.lengths
        believed = length.clip(lowest, highest)[:, None]
        centred: Floats = unit - believed ** np.arange(len(self.coefficients)) @ self.coefficients
        centred *= np.exp(self.weight * (believed - mean))
        return centred

    def apply_all(self, tracks: Sequence[npt.ArrayLike]) -> list[Floats]:
        """The same of each track."""
        return [self.apply(faces, f"track {track}") for track, faces in enumerate(tracks)]

    def track_means(self, tracks: Sequence[npt.ArrayLike]) -> Floats:
        """Raw faces (n_i, d) of each track → (n, d) unit weighted means of the centred faces."""
        return track_means(self.apply_all(tracks), by_length=True)

    def tensors(self) -> dict[str, Floats]:
        """All that is learned, by name."""
        return {"coefficients": self.coefficients, "lengths": self.lengths, "weight": np.array([self.weight])}


def fit_centring(sums: CentringSums, config: CentringConfig | None = None) -> FaceCentring | None:
    """Least squares of u on 1, t, … tᵖ. None where all lengths are alike, which tell no quality."""
    config = config or CentringConfig()
    if not sums.faces.size:
        return None
    count, first, second = sums.powers[0, 0], sums.powers[0, 1], sums.powers[1, 1]
    mean = first / count
    spread = np.sqrt(max(second / count - mean**2, 0))
    if spread < ALIKE:
        return None
    coefficients = np.asarray(np.linalg.lstsq(sums.powers, sums.faces, rcond=None)[0], np.float64)
    reach = config.spread * spread
    return FaceCentring(coefficients, np.array([mean, mean - reach, mean + reach], np.float64), config.weight)


def _lengths(faces: npt.ArrayLike, what: str) -> tuple[Floats, Floats]:
    """Unit faces (n, d) and the logarithms (n,) of their lengths."""
    faces = np.asarray(faces, dtype=np.float64)
    return l2_normalised(faces, what), np.log(np.linalg.norm(faces, axis=1))
