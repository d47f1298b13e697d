"""What `castmine train` makes of movies that are arrays, without Ray: how tracks are embedded, and the threshold."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import reduce
from operator import add

from tests.train.tracks import Movie
from train.calibration import equal_error_threshold
from train.centring import CentringSums, fit_centring
from train.config import CentringConfig
from train.mining import mine_movie
from train.normalise import Floats, l2_normalised
from train.subspace import Subspace, fit_subspace
from train.validation import measure_movie, total


@dataclass(frozen=True)
class Fitted:
    """A representation with its own threshold."""

    threshold: float
    """Cosine distance at which clusters end."""
    subspace: Subspace | None = None
    """None: the pack's own embeddings."""

    def means(self, movie: Movie) -> Floats:
        """(n, d) unit rows of its tracks."""
        if self.subspace is None:
            return movie.means
        centring = self.subspace.centring
        return self.subspace.embed(centring.track_means(movie.faces) if centring else movie.means)

    def faces(self, movie: Movie) -> list[Floats]:
        """(n_i, d) unit rows of the faces of each track."""
        if self.subspace is None:
            return [l2_normalised(faces) for faces in movie.faces]
        centring = self.subspace.centring
        centred = centring.apply_all(movie.faces) if centring else movie.faces
        return [self.subspace.embed(l2_normalised(faces)) for faces in centred]


def base(movies: Iterable[Movie]) -> Fitted:
    """The pack's own embeddings, their threshold calibrated on the links of these movies."""
    mined = [(movie, mine_movie(movie.faces, movie.links).tracklets) for movie in movies]
    measures = total(measure_movie(tracklets, movie.means, movie.links) for movie, tracklets in mined)
    return Fitted(equal_error_threshold(measures.distances).value)


def closed_form(movies: Iterable[Movie], degree: int | None = CentringConfig().degree) -> Fitted:
    """Closed-form MvCorr of these movies, faces centred by their quality unless `degree` is None."""
    movies = list(movies)
    centring = fit_centring(reduce(add, (CentringSums.of(one.faces, degree) for one in movies))) if degree else None
    faces = [centring.apply_all(movie.faces) if centring else movie.faces for movie in movies]
    mined = [
        mine_movie(rows, one.links, by_length=bool(degree)).tracklets for one, rows in zip(movies, faces, strict=True)
    ]
    sums = total(measure_movie(rows, one.means, one.links) for one, rows in zip(movies, mined, strict=True)).sums
    fitted = Fitted(0, replace(fit_subspace(sums), centring=centring))
    measures = total(
        measure_movie(rows, _unmapped(fitted, one), one.links, embedding=fitted.subspace)
        for one, rows in zip(movies, mined, strict=True)
    )
    return replace(fitted, threshold=equal_error_threshold(measures.distances).value)


def _unmapped(fitted: Fitted, movie: Movie) -> Floats:
    """The track means that the map takes."""
    assert fitted.subspace is not None
    return fitted.subspace.centring.track_means(movie.faces) if fitted.subspace.centring else movie.means
