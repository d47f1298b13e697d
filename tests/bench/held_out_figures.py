"""Which figure of movies held out tells without a label what labels tell, on photographed faces (Markdown).

`python -m tests.bench.held_out_figures [--splits N] [--false-links SHARE]`: 31 representations, good and spoilt ones,
are fitted to 19 of the 24 movies of the train part; every figure of the other 5 ranks them, and so do their labels.
Printed is Spearman's rank correlation, mean and least over the splits, the first of which is that of `castmine train`;
and in how many of them the figure rises from the base to the closed form, and on to that with centred faces.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import combinations
from operator import add
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from cluster.constraints import Stop
from cluster.metrics import score_corpus, score_movie
from cluster.movie import cluster_movie
from tests.train.tracks import Movie, phototracks
from train.calibration import LinkDistances, equal_error_threshold
from train.centring import CentringSums, fit_centring
from train.config import CalibrationConfig, CentringConfig, RecognitionConfig, SubspaceConfig
from train.mining import MinedTracks, mine_movie
from train.normalise import Floats, track_means
from train.recognition import ThirdTracks, recognition
from train.split import split_movies
from train.subspace import Subspace, SubspaceSums, fit_subspace
from train.verification import verify_pairs

TRAIN = Path(__file__).resolve().parents[3] / "shared/bench/phototracks/train.parquet"
HELD_OUT, SIZE = 5, 128
LABELS = ("V-measure", "TPR at 0.1", "TPR at 0.01")
STEPS = (("base", "closed form"), ("closed form", "centred"))
Figures = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--splits", type=int, default=6)
    parser.add_argument("--false-links", type=float, default=0.0, help="links of a person with itself, as of a mirror")
    asked = parser.parse_args()
    if not TRAIN.is_file():
        return print(f"left out: needs {TRAIN.name}, which is not on this machine")
    with threadpool_limits(1):
        movies = phototracks(TRAIN)
        mined = {name: mine_movie(movie.faces, movie.links) for name, movie in movies.items()}
        draw = np.random.default_rng(5)
        splits = [list(split_movies(dict.fromkeys(movies)).validation)]
        splits += [sorted(draw.choice(sorted(movies), HELD_OUT, replace=False)) for _ in range(asked.splits - 1)]
        found = [ranked(movies, mined, names, asked.false_links) for names in splits]
    table(found)


def ranked(
    movies: dict[str, Movie], mined: dict[str, MinedTracks], names: Sequence[str], false_links: float
) -> dict[str, Figures]:
    """Of each representation fitted to the other movies, what labels and links say on those of `names`."""
    fitted = representations([(movies[name], mined[name]) for name in sorted(movies) if name not in names])
    draw = np.random.default_rng(0)
    held = [HeldOut(movies[name], mined[name], with_mirrors(movies[name], false_links, draw)) for name in names]
    return {name: by_labels(held, one) | by_links(held, one) for name, one in fitted.items()}


def representations(learned: list[tuple[Movie, MinedTracks]]) -> dict[str, Subspace]:
    """By name; the closed form too strongly and too weakly ridged, of too few movies, of shuffled views, projected."""
    draw, rows = np.random.default_rng(1), [mined.tracklets for _, mined in learned]
    closed, base = fit(rows), Subspace(np.eye(SIZE), np.zeros(SIZE))
    centring = fit_centring(
        reduce(add, (CentringSums.of(movie.faces, CentringConfig().degree or 1) for movie, _ in learned))
    )
    assert centring is not None
    centred = [
        mine_movie(centring.apply_all(movie.faces), movie.links, by_length=True).tracklets for movie, _ in learned
    ]
    found = {"base": base, "closed form": closed, "base − μ": replace(base, mean=closed.mean)}
    found |= {f"ridge {ridge}": fit(rows, ridge=ridge) for ridge in (1e-6, 0.1, 1.0, 30.0)}
    for name, ridge in {"centred": 0.01, "centred, ridge 1": 1.0, "centred, ridge 1e-6": 1e-6}.items():
        found[name] = replace(fit(centred, ridge=ridge), centring=centring)
    found |= {f"power {power}": fit(rows, power=power) for power in (0.0, 1.0, 3.0)}
    found |= {f"{count} movies": fit(rows[:count]) for count in (1, 2, 4, 8)}
    found |= {
        f"views shuffled, {share}": fit([shuffled(one, share, draw) for one in rows]) for share in (0.3, 0.7, 0.95, 1.0)
    }
    found |= {f"first {count}": replace(closed, V=closed.V[:, :count]) for count in (8, 16, 32, 64)}
    found["last 64"] = replace(closed, V=closed.V[:, -64:])
    found |= {f"random {count}": replace(base, V=draw.normal(size=(SIZE, count))) for count in (8, 16, 32, 64)}
    found["closed form, random 32"] = replace(closed, V=closed.V @ draw.normal(size=(SIZE, 32)))
    return found


def fit(rows: list[Floats], **settings: float) -> Subspace:
    """Of however few tracks."""
    config = SubspaceConfig(**settings).model_copy(update={"tracks_per_dimension": 0.1, "movies": 1})
    return fit_subspace(reduce(add, map(SubspaceSums.of, rows)), config)


def shuffled(rows: Floats, share: float, draw: np.random.Generator) -> Floats:
    """Tracklets (t, M, d) of which a share goes with others' first views."""
    rows, some = rows.copy(), np.flatnonzero(draw.random(len(rows)) < share)
    for view in range(1, rows.shape[1]):
        rows[some, view] = rows[draw.permutation(some), view]
    return rows


@dataclass(frozen=True)
class HeldOut:
    movie: Movie
    mined: MinedTracks
    links: np.ndarray

    def means(self, fitted: Subspace) -> Floats:
        return self._embedded(fitted, self.movie.faces)

    def tracklets(self, fitted: Subspace) -> Floats:
        """(t, M, d): those that the base was mined for."""
        rows = self._embedded(fitted, self.mined.faces(self.movie.faces))
        return rows.reshape(*self.mined.tracklets.shape[:2], -1)

    @staticmethod
    def _embedded(fitted: Subspace, tracks: list[Floats]) -> Floats:
        centring = fitted.centring
        return fitted.embed(centring.track_means(tracks) if centring else track_means(tracks))


def with_mirrors(movie: Movie, share: float, draw: np.random.Generator) -> np.ndarray:
    """Its links, and so many more, as a share of them, of two tracks of one person."""
    people = np.array(movie.identities)
    same = np.argwhere(np.triu(people[:, None] == people, k=1))
    return np.concatenate([movie.links, draw.choice(same, draw.binomial(len(movie.links), share), replace=False)])


def by_labels(held: list[HeldOut], fitted: Subspace) -> Figures:
    """hac, K known; mean over movies of the true positive rates."""
    scores, rates = [], []
    for one in held:
        means, names = one.means(fitted), one.movie.identities
        verified = verify_pairs(means, names)
        rates.append([verified.true_positive_rates[rate] for rate in (0.1, 0.01)])
        cast = cluster_movie(means, one.movie.links, Stop(clusters=len(set(names))), method="hac")
        scores.append(score_movie(cast.labels, names, one.movie.links))
    corpus = score_corpus([score for score in scores if score])
    assert corpus is not None
    return dict(zip(LABELS, (corpus.v_measure, *np.mean(rates, axis=0)), strict=True))


def by_links(held: list[HeldOut], fitted: Subspace) -> Figures:
    """Every figure so that more is better."""
    asked = [asked_of(one, fitted) for one in held]
    hard, linked, apart, in_order = (np.concatenate([one.distances[kind] for one in asked]) for kind in range(4))
    others = np.concatenate([(1 - one.means @ other.means.T).ravel() for one, other in combinations(asked, 2)])
    pairs, few = reduce(add, (one.pairs for one in asked)), CalibrationConfig(pairs=1)
    kinds, distances = np.repeat([1, 0], [len(hard), len(linked)]), np.concatenate([hard, linked])
    return {
        "links' equal error": -equal_error_threshold(pairs, few).equal_error,
        "AUC, hard positives against links": float(roc_auc_score(kinds, -distances)),
        "mined triplets in order": float(in_order.mean()),
        "hard positives accepted with 1 % of links": accepted(hard, linked, 0.01),
        "… with 1 % of pairs of two movies": accepted(hard, others, 0.01),
        "pairs never seen together accepted with 1 % of links": accepted(apart, linked, 0.01),
        "… with 2 % of pairs of two movies": accepted(apart, others, 0.02),
        "known again before links contradict": recognition(reduce(add, (one.thirds for one in asked))).share,
        "… with no link left out": recognition(reduce(add, (one.of_all_links for one in asked))).share,
    }


@dataclass(frozen=True)
class Asked:
    means: Floats
    pairs: LinkDistances
    thirds: ThirdTracks
    of_all_links: ThirdTracks
    distances: tuple[np.ndarray, ...]
    """Of hard positives, of links, of pairs never seen together; and whether mined triplets are in order."""


def asked_of(one: HeldOut, fitted: Subspace) -> Asked:
    means, tracklets = one.means(fitted), one.tracklets(fitted)
    all_pairs = 1 - means @ means.T
    free = np.triu(np.ones(all_pairs.shape, bool), k=1)
    linked = tuple(one.links.T)
    free[linked] = False
    hard = 1 - np.einsum("td,td->t", tracklets[:, 0], tracklets[:, 1])
    negative = 1 - np.einsum("td,td->t", tracklets[:, 0], means[one.mined.hard_negatives])
    return Asked(
        means,
        LinkDistances.of(tracklets, means, one.links),
        ThirdTracks.of(means, one.links),
        ThirdTracks.of(means, one.links, RecognitionConfig(false_links=0)),
        (hard, all_pairs[linked], all_pairs[free], hard < negative),
    )


def accepted(positive: Floats, negative: Floats, rate: float) -> float:
    """Share of the former within the distance that `rate` of the latter keep."""
    return float((positive <= np.quantile(negative, rate, method="inverted_cdf")).mean())


def table(found: list[dict[str, Figures]]) -> None:
    heads = ["figure", *LABELS, "least", *(f"{one} < {other}" for one, other in STEPS), "base → closed form → centred"]
    print(f"{len(found[0])} representations, {len(found)} splits\n\n| {' | '.join(heads)} |\n|{' --- |' * len(heads)}")
    for figure in found[0]["base"]:
        ranks = np.array([[correlation(one, figure, label) for label in LABELS] for one in found])
        rises = [str(sum(one[b][figure] > one[a][figure] for one in found)) for a, b in STEPS]
        first = " → ".join(f"{abs(found[0][name][figure]):.4f}" for name in ("base", "closed form", "centred"))
        least = " / ".join(f"{rank:.3f}" for rank in ranks.min(axis=0))
        cells = [figure, *(f"{rank:.3f}" for rank in ranks.mean(axis=0)), least, *rises, first]
        print(f"| {' | '.join(cells)} |")


def correlation(one: dict[str, Figures], figure: str, label: str) -> float:
    return float(spearmanr(*zip(*((row[figure], row[label]) for row in one.values()), strict=True)).statistic)


if __name__ == "__main__":
    main()
