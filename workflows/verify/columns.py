"""The columns of the table of representations."""

from functools import partial

from train.verification import MovieVerification, median_distance
from workflows.report.columns import Column, with_figures
from workflows.verify.comparison import ComparedRow, ModelComparison


def columns(comparison: ModelComparison) -> list[Column]:
    """All columns that hold a figure; a narrow terminal leaves out the last ones. What needs no label comes first."""
    rates = comparison.config.verification.false_positive_rates
    return with_figures([KNOWN, LINKED, *map(_rate, rates), *NAMED, *MINED], comparison.rows)


def rate_of(rate: float, measured: MovieVerification) -> float | None:
    """True positive rate at a false positive rate; None where too little is named."""
    return measured.named.true_positive_rates[rate] if measured.named else None


def _rate(rate: float) -> Column:
    meaning = f"Share of one person's pairs accepted where {rate:.2%} of two people's pairs are; mean over movies"
    return Column(f"tpr_at_{rate:g}", f"TPR@{rate:g}", meaning, lambda row: rate_of(rate, row.overall), 1)


def _named(key: str, row: ComparedRow) -> float | None:
    return getattr(row.overall.named, key) if row.overall.named else None


NAMED = (
    Column("auc", "AUC", "Area under the ROC curve; mean over movies", partial(_named, "auc"), 1),
    Column(
        "equal_error",
        "equal error",
        "Where as many of one person's pairs are refused as of two people's accepted; mean over movies",
        partial(_named, "equal_error"),
        -1,
    ),
)
KNOWN = Column(
    "known_again",
    "known again",
    "Share of the pairs of a track and one of two seen together that are taken for one person, read where so many of "
    "these contradict each other as train.recognition.contradicted allows: how often people are known again in other "
    "scenes. No label is needed, and training refuses a model that falls behind the base in it",
    lambda row: row.known.share if row.known else None,
    1,
)
LINKED = Column(
    "link_equal_error",
    "links' error",
    "Where as many of the hard-positive pairs that the base was mined for, whatever the representation, are refused as "
    "cannot-link pairs accepted: no label is needed, and training compares so on the movies it holds out",
    lambda row: row.links.equal_error if row.links else None,
    -1,
)
MINED = (
    Column(
        "hard_in_order",
        "hard pairs in order",
        "Share of the mined tracks whose farthest hard positive is nearer to the anchor than the hard negative",
        lambda row: row.overall.hard.in_order / row.overall.hard.tracks if row.overall.hard.tracks else None,
        1,
    ),
    Column(
        "hard_positive_median",
        "median hard positive",
        "Cosine distance from the anchor to the hard positives of its track",
        lambda row: median_distance(row.overall.hard.positive),
    ),
    Column(
        "hard_negative_median",
        "median hard negative",
        "Cosine distance from the anchor to the most similar track seen together with it",
        lambda row: median_distance(row.overall.hard.negative),
    ),
)
