"""A comparison as JSON: figures and curve of each representation, over all movies and movie by movie."""

from typing import Any

from train.verification import HardPairs, MovieVerification, Verification, roc_grid
from workflows.verify.columns import columns
from workflows.verify.comparison import ModelComparison


def comparison_json(comparison: ModelComparison) -> dict[str, Any]:
    """Rates, distances and counts as plain numbers; null where a figure cannot be had."""
    table = columns(comparison)
    representations = [
        {
            "name": row.name,
            "method": row.method,
            "notes": list(row.notes),
            **{column.key: column.of(row) for column in table},
            "known_again_pairs": row.known.pairs if row.known else None,
            "link_threshold": row.links.value if row.links else None,
            **_named(row.overall.named),
            "roc": row.overall.named.roc.tolist() if row.overall.named else None,
            "hard_pairs": _hard(row.overall.hard),
        }
        for row in comparison.rows
    ]
    movies = [
        {
            "movie_id": movie.movie_id,
            "tracks": movie.tracks,
            "named_tracks": movie.named,
            "representations": {
                row.name: _movie(measured) for row, measured in zip(comparison.rows, movie.measures, strict=True)
            },
        }
        for movie in comparison.movies
    ]
    return {
        "dataset": comparison.dataset,
        "representations": representations,
        "movies": movies,
        "roc_false_positive_rates": roc_grid(comparison.config.verification).tolist(),
        "verified_movies": len(comparison.verified),
        "verification_absent": comparison.unnamed or None,
        "known_again_absent": comparison.unrecognised or None,
        "link_equal_error_absent": comparison.unlinked or None,
        "failed": comparison.failed,
    }


def _movie(measured: MovieVerification) -> dict[str, Any]:
    pairs = measured.hard
    return {**_named(measured.named), "mined_tracks": pairs.tracks, "hard_pairs_in_order": pairs.in_order}


def _named(named: Verification | None) -> dict[str, Any]:
    if named is None:
        return {"true_positive_rates": None}
    return {
        "true_positive_rates": {f"{rate:g}": value for rate, value in named.true_positive_rates.items()},
        "auc": named.auc,
        "equal_error": named.equal_error,
        "positive_pairs": named.positive_pairs,
        "negative_pairs": named.negative_pairs,
    }


def _hard(hard: HardPairs) -> dict[str, Any]:
    """Counts in equal bins of cosine distance over [0, 2]."""
    return {"tracks": hard.tracks, "positive": hard.positive.tolist(), "negative": hard.negative.tolist()}
