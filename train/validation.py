"""What a model gained on movies it was not fitted to, from links alone.

How often people are known again in other scenes, the equal error of hard-positive and cannot-link pairs, and ρ, before
and after. Measures of two movies add with `+`.
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
from train.recognition import ThirdTracks, recognition
from train.representation import Embedding
from train.subspace import SubspaceSums, view_correlation


class Gain(BaseModel):
    """A figure on the validation movies: of the base embedding, and of the model's."""

    model_config = ConfigDict(frozen=True)
    before: float
    after: float


@dataclass(frozen=True)
class MovieMeasures:
    """All that training needs to know of one movie, or of several: some sums of d × d and less, histograms."""

    sums: SubspaceSums
    distances: LinkDistances
    faces: CentringSums | None = None
    """Of the raw faces, where they are to be centred."""
    same_pairs: "MovieMeasures | None" = None
    """Of the tracklets that the base was mined for, where the model mines others: the base is compared with these."""
    thirds: ThirdTracks | None = None
    """Of movies that are held out: what is asked of them alone."""

    def __add__(self, other: "MovieMeasures") -> "MovieMeasures":
        faces = self.faces + other.faces if self.faces and other.faces else None
        same = self.same_pairs + other.same_pairs if self.same_pairs and other.same_pairs else None
        thirds = self.thirds + other.thirds if self.thirds and other.thirds else None
        return MovieMeasures(self.sums + other.sums, self.distances + other.distances, faces, same, thirds)


def measure_movie(
    tracklets: npt.ArrayLike,
    means: npt.ArrayLike,
    cannot_link: npt.ArrayLike,
    config: TrainConfig | None = None,
    embedding: Embedding | None = None,
    held_out: bool = False,
) -> MovieMeasures:
    """One movie's tracklets (t, M, d), unit track means (n, d) and cannot-link index pairs (m, 2), as `embedding` or,
    without one, as the pack embeds them. `held_out`: with what tells whether people are known again."""
    config = config or TrainConfig()
    tracklets, means = _embedded(tracklets, embedding), _embedded(means, embedding)
    return MovieMeasures(
        SubspaceSums.of(tracklets),
        LinkDistances.of(tracklets, means, cannot_link, config.calibration),
        thirds=ThirdTracks.of(means, cannot_link, config.recognition) if held_out else None,
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
    """`known_again`, `equal_error` and `rho` of the validation movies, each where they are large enough to tell; and,
    in words, how the model fell behind the base by more than chance explains, empty where it did not: it knows people
    again less often, or errs more and knows nobody again more often.

    The equal error, like ρ of the pairs that the base was mined for, knows of a person only what a track shows from end
    to end, and so may grow while people are known again more often, which is what the model is for. ρ is unchanged by
    any invertible linear map: that of the closed form, which keeps all dimensions, moves only by its ridge and by the
    step to the unit sphere.
    """
    config, same = config or TrainConfig(), after.same_pairs or after
    known, forgot = _known_again(before, after, config)
    error, erred = _equal_error(before, same, config)
    rho = None
    if all(measures.sums.tracks > measures.sums.views.shape[1] for measures in (before, same)):
        rho = Gain(before=view_correlation(before.sums), after=view_correlation(same.sums))
    gains = {"known_again": known, "equal_error": error, "rho": rho}
    worse = forgot or ("" if known and known.after > known.before else erred)
    return {name: gain for name, gain in gains.items() if gain}, worse


def _known_again(before: MovieMeasures, after: MovieMeasures, config: TrainConfig) -> tuple[Gain | None, str]:
    """None where too few people come back to tell; and how it fell by more than chance, in words."""
    if not (before.thirds and after.thirds):
        return None, ""
    base, model = (recognition(thirds, config.recognition) for thirds in (before.thirds, after.thirds))
    if max(base.pairs, model.pairs) < config.recognition.pairs:
        return None, ""
    gain = Gain(before=base.share, after=model.share)
    if model.share >= base.share - config.subspace.chance * base.standard_error:
        return gain, ""
    return gain, (
        f"on the validation movies the model knows people again less often than the base embeddings ({model.share:.1%} "
        f"against {base.share:.1%} of pairs of tracks)"
    )


def _equal_error(before: MovieMeasures, after: MovieMeasures, config: TrainConfig) -> tuple[Gain | None, str]:
    """Of the same pairs; None where they are too few to tell; and how it grew by more than chance, in words."""
    try:
        base = equal_error_threshold(before.distances, config.calibration)
        model = equal_error_threshold(after.distances, config.calibration)
    except TooLittleDataError:
        return None, ""
    gain = Gain(before=base.equal_error, after=model.equal_error)
    pairs = min(base.positive_pairs, base.negative_pairs)
    chance = config.subspace.chance * np.sqrt(2 * max(base.equal_error, 1 / pairs) / pairs)
    if model.equal_error <= base.equal_error + chance:
        return gain, ""
    return gain, (
        f"on the validation movies the model errs more than the base embeddings ({model.equal_error:.1%} against "
        f"{base.equal_error:.1%} of pairs)"
    )


def refused_gains(before: MovieMeasures, after: MovieMeasures, config: TrainConfig | None = None) -> dict[str, Gain]:
    """The gains of the closed form. Raises TooLittleDataError where it fell behind the base by more than chance."""
    gains, worse = held_out_gains(before, after, config)
    if worse:
        raise TooLittleDataError(f"{worse}: it learned noise; harvest more movies, or cluster without a model")
    return gains


def _embedded(rows: npt.ArrayLike, embedding: Embedding | None) -> Floats:
    rows = np.asarray(rows, dtype=np.float64)
    if embedding is None:
        return rows
    return embedding.embed(rows) if rows.size else np.zeros((*rows.shape[:-1], embedding.output_size))
