"""The README's tables of learning and clustering that take minutes: photographed faces, simulated tracks (Markdown).

`python -m tests.bench.phototracks_tables [--folds N]`: fitted as `castmine train` does, to the 24 movies of the train
part, and scored on the 4 movies of the dev part, other people; then the training movies in N parts, each scored
by what was fitted to the others without a person of it. 0 leaves that out.
"""

import argparse
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from cluster.constraints import Stop
from cluster.methods import METHODS
from cluster.metrics import CorpusMetrics, score_corpus, score_movie
from cluster.movie import cluster_movie
from tests.train.fitted import Fitted, as_trained, base, closed_form
from tests.train.tracks import Movie, phototracks
from train.split import split_movies
from train.verification import verify_pairs

PARTS = Path(__file__).resolve().parents[3] / "shared/bench/phototracks"
LEAST_TRACKS = 6
"""A training movie with fewer left is left out of a fold."""
Choose = Callable[[Movie, Fitted], Stop]
Scored = tuple[Movie, Fitted]
"""A movie, and what it is embedded by."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folds", type=int, default=6, help="parts of the cross-validation")
    if not PARTS.is_dir():
        return print(f"left out: needs {PARTS.name}, which is not on this machine")
    train, dev = (phototracks(PARTS / f"{part}.parquet") for part in ("train", "dev"))
    with threadpool_limits(1):
        learned = [train[name] for name in split_movies(dict.fromkeys(train)).train]
        tracks, movies = sum(len(movie.faces) for movie in train.values()), list(dev.values())
        print(f"\nFitted to {len(train)} movies ({tracks:,} tracks), scored on {len(movies)} others:\n")
        # without a model `castmine cluster` calibrates on the links of what it clusters
        fits = {"base embeddings": base(movies), "closed-form MvCorr": as_trained(train)}
        more = {"closed-form MvCorr, faces as they are": as_trained(train, degree=None)}
        more[f"closed-form MvCorr, as checked: of {len(learned)} movies"] = closed_form(learned)
        learning_table({name: with_movies(movies, fit) for name, fit in (fits | more).items()})
        print("\nEvery method (V-measure / WCP / PCR at its own K; V-measure where K is known; seconds of a core):\n")
        methods_table({name: with_movies(movies, fit) for name, fit in fits.items()})
        if folds := parser.parse_args().folds:
            print(f"\nCross-validation in {folds} parts of the training movies, no person on both sides:\n")
            learning_table(cross_validated(train, folds))


def with_movies(movies: Iterable[Movie], fit: Fitted) -> list[Scored]:
    return [(movie, fit) for movie in movies]


def cross_validated(train: dict[str, Movie], folds: int) -> dict[str, list[Scored]]:
    """Every training movie, with the fits to the other parts that hold no person of its part."""
    found: dict[str, list[Scored]] = {}
    names = sorted(train)
    for part in range(folds):
        held = [train[name] for name in names[part::folds]]
        people = {person for movie in held for person in movie.identities}
        rest = [without(train[name], people) for name in names if name not in names[part::folds]]
        rest = [movie for movie in rest if len(movie.faces) >= LEAST_TRACKS]
        fits = {"base embeddings": base(rest), "closed-form MvCorr": closed_form(rest)}
        fits["closed-form MvCorr, faces as they are"] = closed_form(rest, degree=None)
        for name, fit in fits.items():
            found.setdefault(name, []).extend(with_movies(held, fit))
    return found


def without(movie: Movie, people: set[str]) -> Movie:
    """The movie without the tracks of some people."""
    kept = np.array([person not in people for person in movie.identities])
    place = np.cumsum(kept) - 1
    links = movie.links[kept[movie.links].all(axis=1)]
    rows = np.flatnonzero(kept)
    return Movie([movie.faces[row] for row in rows], place[links], [movie.identities[row] for row in rows])


def learning_table(fits: dict[str, list[Scored]]) -> None:
    """hac and hac-expanded, K known and by the fit's own threshold, with the share of the first row's error removed."""
    heads = ["", "method", "K", "V-measure", "error removed", "WCP", "PCR", "PCR − 1, mean", "TPR at 0.1 / 0.01 FPR"]
    rows = []
    for head, choose in {"known": known, "own threshold": own}.items():
        for method in ("hac", "hac-expanded"):
            least = 0.0
            for name, scored in fits.items():
                found = score(scored, method, choose)
                least = least or 1 - found.v_measure
                gone = f"{1 - (1 - found.v_measure) / least:.1%}"
                figures = [
                    f"{found.v_measure:.3f}",
                    gone,
                    f"{found.wcp:.3f}",
                    f"{found.pcr:.2f}",
                    f"{found.pcr_error:.2f}",
                ]
                rates = verified(scored) if (method, head) == ("hac", "known") else ""
                rows.append([name, method, head, *figures, rates])
    markdown(heads, rows)


def methods_table(fits: dict[str, list[Scored]]) -> None:
    rows = []
    for method in METHODS:
        row, seconds, tracks = [method], 0.0, 0
        for scored in fits.values():
            found, spent = timed(scored, method, (lambda movie, fit: Stop()) if METHODS[method].finds_k else own)
            seconds, tracks = seconds + spent, tracks + found.tracks
            row.append(three(found))
            row.append("" if METHODS[method].finds_k else f"{score(scored, method, known).v_measure:.3f}")
        rows.append([*row, f"{seconds / tracks:.5f}"])
    markdown(["", *(f"{name}, {how}" for name in fits for how in ("own K", "known K")), "s a track"], rows)


def three(found: CorpusMetrics) -> str:
    """V-measure, WCP and PCR, as the tables have them."""
    return f"{found.v_measure:.3f} / {found.wcp:.3f} / {found.pcr:.2f}"


def known(movie: Movie, fit: Fitted) -> Stop:
    return Stop(clusters=len(set(movie.identities)))


def own(movie: Movie, fit: Fitted) -> Stop:
    return Stop(threshold=fit.threshold)


def score(scored: Sequence[Scored], method: str, choose: Choose) -> CorpusMetrics:
    """The movies clustered, as one."""
    return timed(scored, method, choose)[0]


def timed(scored: Sequence[Scored], method: str, choose: Choose) -> tuple[CorpusMetrics, float]:
    """The movies clustered, as one, and the seconds of a core that the method took."""
    found, seconds = [], 0.0
    for movie, fit in scored:
        faces = fit.faces(movie) if METHODS[method].needs_faces else None
        means = fit.means(movie)
        began = time.process_time()
        cast = cluster_movie(means, movie.links, choose(movie, fit), method=method, faces=faces)
        seconds += time.process_time() - began
        assert cast.violations == 0
        found.append(score_movie(cast.labels, movie.identities, movie.links))
    corpus = score_corpus([metrics for metrics in found if metrics])
    assert corpus is not None
    return corpus, seconds


def verified(scored: Sequence[Scored]) -> str:
    """TPR at 0.1 and 0.01, mean over movies."""
    pairs = [verify_pairs(fit.means(movie), movie.identities) for movie, fit in scored]
    rates = [[found.true_positive_rates[rate] for rate in (0.1, 0.01)] for found in pairs if found]
    return " / ".join(f"{rate:.3f}" for rate in np.mean(rates, axis=0))


def markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    for row in chain((heads, ["---"] * len(heads)), rows):  # each as soon as it is there
        print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
