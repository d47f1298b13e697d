"""What `castmine train` makes of movies that are arrays, without Ray: how tracks are embedded, and the threshold."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import reduce
from operator import add

from tests.train.tracks import Movie
from train.calibration import equal_error_threshold
from train.centring import CentringSums, FaceCentring, fit_centring
from train.config import CentringConfig
from train.mining import mine_movie
from train.normalise import Floats, l2_normalised, track_means
from train.split import split_movies
from train.subspace import Subspace, SubspaceSums, fit_subspace
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
    return Fitted(_threshold(movies, None))


def closed_form(movies: Iterable[Movie], degree: int | None = CentringConfig().degree) -> Fitted:
    """Closed-form MvCorr of these movies, faces centred by their quality unless `degree` is None."""
    movies = list(movies)
    subspace = _solved(movies, degree)
    return Fitted(_threshold(movies, subspace), subspace)


def as_trained(movies: dict[str, Movie], degree: int | None = CentringConfig().degree) -> Fitted:
    """The same as the command makes it: its threshold is of the movies held out, by what had not seen them; then it is
    fitted to all movies."""
    split = split_movies(dict.fromkeys(movies))
    checked = _solved([movies[name] for name in split.train], degree)
    threshold = _threshold([movies[name] for name in split.validation], checked)
    return Fitted(threshold, _solved([movies[name] for name in sorted(movies)], degree))


def _solved(movies: list[Movie], degree: int | None) -> Subspace:
    centring = fit_centring(reduce(add, (CentringSums.of(one.faces, degree) for one in movies))) if degree else None
    sums = reduce(add, (SubspaceSums.of(_mined(movie, centring)[0]) for movie in movies))
    return replace(fit_subspace(sums), centring=centring)


def _threshold(movies: Iterable[Movie], subspace: Subspace | None) -> float:
    centring = subspace.centring if subspace else None
    mined = ((movie, *_mined(movie, centring)) for movie in movies)
    measures = total(measure_movie(rows, means, movie.links, embedding=subspace) for movie, rows, means in mined)
    return equal_error_threshold(measures.distances).value


def _mined(movie: Movie, centring: FaceCentring | None) -> tuple[Floats, Floats]:
    """Tracklets (t, M, d) and track means (n, d), as the map takes them."""
    if centring is None:
        return mine_movie(movie.faces, movie.links).tracklets, movie.means
    centred = centring.apply_all(movie.faces)
    return mine_movie(centred, movie.links, by_length=True).tracklets, track_means(centred, by_length=True)
