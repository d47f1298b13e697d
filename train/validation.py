"""What a model gained on movies it was not fitted to, from links alone.

ρ and the equal error of hard-positive and cannot-link pairs, before and after. Measures of two movies add with `+`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from harvest.errors import TooLittleDataError
from train.calibration import LinkDistances, equal_error_threshold
from train.centring import CentringSums
from train.config import TrainConfig
from train.normalise import Floats
from train.representation import Embedding
from train.subspace import SubspaceSums, view_correlation


class Gain(BaseModel):
    """A figure on the validation movies: of the base embedding, and of the model's."""

    model_config = ConfigDict(frozen=True)
    before: float
    after: float


@dataclass(frozen=True)
class MovieMeasures:
    """All that training needs to know of one movie, or of several: some sums of d × d and less, two histograms."""

    sums: SubspaceSums
    distances: LinkDistances
    faces: CentringSums | None = None
    """Of the raw faces, where they are to be centred."""
    same_pairs: "MovieMeasures | None" = None
    """Of the tracklets that the base was mined for, where the model mines others: the base is compared with these."""

    def __add__(self, other: "MovieMeasures") -> "MovieMeasures":
        faces = self.faces + other.faces if self.faces and other.faces else None
        same = self.same_pairs + other.same_pairs if self.same_pairs and other.same_pairs else None
        return MovieMeasures(self.sums + other.sums, self.distances + other.distances, faces, same)


def measure_movie(
    tracklets: npt.ArrayLike,
    means: npt.ArrayLike,
    cannot_link: npt.ArrayLike,
    config: TrainConfig | None = None,
    embedding: Embedding | None = None,
) -> MovieMeasures:
    """One movie's tracklets (t, M, d), unit track means (n, d) and cannot-link index pairs (m, 2), as `embedding` or,
    without one, as the pack embeds them."""
    config = config or TrainConfig()
    tracklets, means = _embedded(tracklets, embedding), _embedded(means, embedding)
    return MovieMeasures(
        SubspaceSums.of(tracklets), LinkDistances.of(tracklets, means, cannot_link, config.calibration)
    )


def total(measures: Iterable[MovieMeasures]) -> MovieMeasures:
    """The sum of the movies' measures, taken one by one. Raises TooLittleDataError of no movie."""
    movies = iter(measures)
    first = next(movies, None)
    if first is None:
        raise TooLittleDataError("there is no movie on this side of the split; give some the split train or validation")
    return sum(movies, start=first)


def held_out_gains(
    before: MovieMeasures, after: MovieMeasures, config: TrainConfig | None = None
) -> tuple[dict[str, Gain], str]:
    """`rho` and `equal_error` of the validation movies, each where they are large enough to tell; and, in words, how
    the equal error grew by more than chance explains, empty where it did not. Before and after are of the same pairs,
    those that the base was mined for.

    ρ is unchanged by any invertible linear map: that of the closed form, which keeps all dimensions, moves only by its
    ridge and by the step to the unit sphere. What the map changes is which directions count, and the equal error shows
    it.
    """
    config, after = config or TrainConfig(), after.same_pairs or after
    gains = {}
    if all(measures.sums.tracks > measures.sums.views.shape[1] for measures in (before, after)):
        gains["rho"] = Gain(before=view_correlation(before.sums), after=view_correlation(after.sums))
    try:
        base = equal_error_threshold(before.distances, config.calibration)
        model = equal_error_threshold(after.distances, config.calibration)
    except TooLittleDataError:
        return gains, ""
    gains["equal_error"] = Gain(before=base.equal_error, after=model.equal_error)
    pairs = min(base.positive_pairs, base.negative_pairs)
    chance = config.subspace.chance * np.sqrt(2 * max(base.equal_error, 1 / pairs) / pairs)
    if model.equal_error <= base.equal_error + chance:
        return gains, ""
    return gains, (
        f"on the validation movies the model errs more than the base embeddings ({model.equal_error:.1%} against "
        f"{base.equal_error:.1%} of pairs)"
    )


def refused_gains(before: MovieMeasures, after: MovieMeasures, config: TrainConfig | None = None) -> dict[str, Gain]:
    """The gains of the closed form. Raises TooLittleDataError where the equal error grew by more than chance."""
    gains, worse = held_out_gains(before, after, config)
    if worse:
        raise TooLittleDataError(f"{worse}: it learned noise; harvest more movies, or cluster without a model")
    return gains


def _embedded(rows: npt.ArrayLike, embedding: Embedding | None) -> Floats:
    rows = np.asarray(rows, dtype=np.float64)
    if embedding is None:
        return rows
    return embedding.embed(rows) if rows.size else np.zeros((*rows.shape[:-1], embedding.output_size))
