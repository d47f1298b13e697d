"""The columns of the comparison's table: what each figure is called and means, and which way is better."""

from collections.abc import Sequence
from dataclasses import dataclass

from train.verification import median_distance
from workflows.verify.comparison import ComparedRow, Comparison


@dataclass(frozen=True)
class Column:
    """One figure of every row."""

    key: str
    """Its name in JSON."""
    head: str
    meaning: str
    values: tuple[float | None, ...]
    """By row."""
    better: int = 0
    """1: more is better, -1: less is; 0: neither."""

    def text(self, row: int) -> str:
        """The figure as the table shows it."""
        value = self.values[row]
        return "" if value is None else f"{value:.3f}"

    def is_best(self, row: int) -> bool:
        """Whether the row has the best figure of several, as far as the digits shown tell."""
        known = [round(value, 3) * self.better for value in self.values if value is not None]
        value = self.values[row]
        return self.better != 0 and len(known) > 1 and value is not None and round(value, 3) * self.better == max(known)


def columns(comparison: Comparison) -> list[Column]:
    """All columns that hold a figure."""
    found = [*_named(comparison), *_linked(comparison), *_mined(comparison.rows)]
    return [column for column in found if any(value is not None for value in column.values)]


def _named(comparison: Comparison) -> list[Column]:
    named = [row.overall.named for row in comparison.rows]
    rates = [
        Column(
            f"tpr_at_{rate:g}",
            f"TPR at {rate:g}",
            f"Share of one person's pairs accepted where {rate:.2%} of two people's pairs are; mean over movies",
            tuple(measured.true_positive_rates[rate] if measured else None for measured in named),
            1,
        )
        for rate in comparison.config.verification.false_positive_rates
    ]
    return [
        *rates,
        Column(
            "auc",
            "AUC",
            "Area under the ROC curve; mean over movies",
            tuple(one.auc if one else None for one in named),
            1,
        ),
        Column(
            "equal_error",
            "equal error",
            "Where as many of one person's pairs are refused as of two people's accepted; mean over movies",
            tuple(one.equal_error if one else None for one in named),
            -1,
        ),
    ]


def _linked(comparison: Comparison) -> list[Column]:
    return [
        Column(
            "link_equal_error",
            "links' equal error",
            "The same of the hard-positive pairs that the base was mined for, whatever the representation, against all "
            "cannot-link pairs: no label is needed, and training compares so on the movies it holds out",
            tuple(row.links.equal_error if row.links else None for row in comparison.rows),
            -1,
        )
    ]


def _mined(rows: Sequence[ComparedRow]) -> list[Column]:
    hard = [row.overall.hard for row in rows]
    return [
        Column(
            "hard_in_order",
            "hard pairs in order",
            "Share of the mined tracks whose farthest hard positive is nearer to the anchor than the hard negative",
            tuple(pairs.in_order / pairs.tracks if pairs.tracks else None for pairs in hard),
            1,
        ),
        Column(
            "hard_positive_median",
            "median hard positive",
            "Cosine distance from the anchor to the hard positives of its track",
            tuple(median_distance(pairs.positive) for pairs in hard),
        ),
        Column(
            "hard_negative_median",
            "median hard negative",
            "Cosine distance from the anchor to the most similar track seen together with it",
            tuple(median_distance(pairs.negative) for pairs in hard),
        ),
    ]
