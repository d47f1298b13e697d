"""The table of casts from movies that were fitted to first (`--adapt`): photographed faces, simulated tracks.

`python -m tests.bench.adapted_tables`: each of the 4 movies of the dev part as it is, then after each adaptation on
stored embeddings, of the pack and of the closed form that `castmine train` makes of the train part; six minutes of a
core.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from cluster.adapt import ADAPTATIONS
from cluster.adapt.adapted import Adapted, Keeper
from cluster.adapt.threshold import adapted_threshold
from cluster.config import ClusterConfig
from cluster.constraints import Floats, Stop
from cluster.metrics import CorpusMetrics, score_corpus, score_movie
from cluster.movie import cluster_movie
from tests.bench.phototracks_tables import PARTS, markdown, three
from tests.train.fitted import Fitted, as_trained, base
from tests.train.tracks import Movie, phototracks

NAMES = ("tsiam", "ssiam", "selfdistill")
CONFIG = ClusterConfig()


@dataclass(frozen=True)
class Case:
    """A movie in a space, and where clusters end there."""

    movie: Movie
    adapted: Adapted
    means: Floats
    """(n, d) unit track means."""
    threshold: float
    seconds: float = 0.0
    """Of a core, spent on fitting."""

    def stops(self) -> dict[str, Stop]:
        return {"own K": Stop(threshold=self.threshold), "known K": Stop(clusters=len(set(self.movie.identities)))}


def main() -> None:
    if not PARTS.is_dir():
        return print(f"left out: needs {PARTS.name}, which is not on this machine")
    train, dev = (phototracks(PARTS / f"{part}.parquet") for part in ("train", "dev"))
    movies = list(dev.values())
    with threadpool_limits(1):
        fits = {"base": base(movies), "closed form": as_trained(train)}
        columns = ("hac, own K", "hac, known K", "videoclusternet", "… Unknown left out")
        markdown(["", *(f"{fit}: {column}" for fit in fits for column in columns), "s a track"], rows(fits, movies))


def rows(fits: dict[str, Fitted], movies: list[Movie]) -> Iterable[list[str]]:
    """As it is, then a row an adaptation."""
    for name in (None, *NAMES):
        row, seconds = [name or "as it is"], 0.0
        for fit in fits.values():
            cases = [as_it_is(movie, fit) if name is None else fitted_to(movie, fit, name) for movie in movies]
            seconds += sum(case.seconds for case in cases) / len(fits) / sum(len(movie.faces) for movie in movies)
            own, known = (score(cases, "hac", how) for how in ("own K", "known K"))
            alone = score(cases, "videoclusternet")
            row += [three(own), f"{known.v_measure:.3f}", three(alone), f"{alone.wcp_assigned:.3f}"]
        yield [*row, f"{seconds:.3f}" if name else ""]


def as_it_is(movie: Movie, fit: Fitted) -> Case:
    faces = tuple(fit.faces(movie))
    adapted = Adapted(faces, None, np.zeros(len(faces), dtype=np.bool_))
    return Case(movie, adapted, fit.means(movie), fit.threshold)


def fitted_to(movie: Movie, fit: Fitted, name: str) -> Case:
    began = time.process_time()
    adapted = ADAPTATIONS[name](tuple(fit.faces(movie)), movie.links, CONFIG.adapt, Keeper())
    seconds = time.process_time() - began
    threshold, _ = adapted_threshold(adapted, movie.links, fit.means(movie), fit.threshold, CONFIG.adapt)
    return Case(movie, adapted, adapted.means(), threshold, seconds)


def score(cases: Iterable[Case], method: str, how: str = "") -> CorpusMetrics:
    """The movies clustered, as one; `how` K is chosen, where the method does not find it."""
    found = []
    for case in cases:
        adapted, movie = case.adapted, case.movie
        stop = case.stops()[how] if how else Stop()
        cast = cluster_movie(
            case.means, movie.links, stop, CONFIG, method,
            faces=adapted.student, teacher=adapted.teacher, unknown=adapted.unknown,
        )  # fmt: skip
        assert cast.violations == 0
        found.append(score_movie(cast.labels, movie.identities, movie.links))
    corpus = score_corpus([metrics for metrics in found if metrics])
    assert corpus is not None
    return corpus


if __name__ == "__main__":
    main()
