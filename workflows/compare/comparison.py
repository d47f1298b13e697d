"""Runs side by side: what each reached, on which tracks, and which differences are more than chance."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from cluster.config import ComparisonConfig
from cluster.permutation import Permutation, permutation_test
from workflows.compare.scored import ScoredRun, Truth, paired


@dataclass(frozen=True)
class Tested:
    """Two runs and the permutation test of their V-measure."""

    first: str
    second: str
    found: Permutation


@dataclass(frozen=True)
class FlagRow:
    """The named tracks of all movies that carry a quality flag."""

    flag: str
    tracks: int
    right: tuple[float, ...]
    """By run: share of them whose identity is the commonest of their cluster."""


@dataclass(frozen=True)
class RunComparison:
    """All that the page shows and the command prints."""

    dataset: str
    runs: tuple[ScoredRun, ...]
    truths: tuple[Truth, ...]
    """Of the movies that all runs have clustered."""
    left_out: dict[str, str]
    """Why, by movie_id."""
    tests: tuple[Tested, ...]
    flags: tuple[FlagRow, ...]
    config: ComparisonConfig

    @property
    def labelled(self) -> int:
        """Movies with a named track."""
        return sum(bool(truth.named.any()) for truth in self.truths)


def compare_runs(
    dataset: str,
    runs: Sequence[ScoredRun],
    truths: Sequence[Truth],
    left_out: dict[str, str],
    config: ComparisonConfig,
) -> RunComparison:
    """Tests between every two of the best runs, and the break-down by flag; all runs have the movies of `truths`."""
    return RunComparison(
        dataset, tuple(runs), tuple(truths), left_out, _tests(runs, truths, config), _flags(runs, truths), config
    )


def _tests(runs: Sequence[ScoredRun], truths: Sequence[Truth], config: ComparisonConfig) -> tuple[Tested, ...]:
    scored = sorted((run for run in runs if run.overall), key=lambda run: -run.overall.v_measure if run.overall else 0)
    named = [number for number, truth in enumerate(truths) if truth.named.any()]
    tests = []
    for first, second in combinations(scored[: config.tested], 2):
        pairs = [paired(truths[number], first.movies[number], second.movies[number]) for number in named]
        tests.append(Tested(first.name, second.name, permutation_test(pairs, config)))
    return tuple(tests)


def _flags(runs: Sequence[ScoredRun], truths: Sequence[Truth]) -> tuple[FlagRow, ...]:
    rows = []
    for flag in dict.fromkeys(flag for truth in truths for flag in truth.flags):
        masks = [truth.named & truth.flags[flag] if flag in truth.flags else truth.named & False for truth in truths]
        total = sum(int(mask.sum()) for mask in masks)
        if total:
            shares = (
                sum(int(movie.right[mask].sum()) for movie, mask in zip(run.movies, masks, strict=True)) / total
                for run in runs
            )
            rows.append(FlagRow(flag, total, tuple(shares)))
    return tuple(rows)
