"""The columns of a table of figures: what each is called and means, which way is better, and how it is shown."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

ARROWS = {1: "↑", -1: "↓"}
"""Behind the head of a figure of which more, or less, is better."""


@dataclass(frozen=True)
class Column:
    """One figure of every row."""

    key: str
    """Its name in CSV and JSON."""
    head: str
    meaning: str
    of: Callable[[Any], float | None]
    """The figure of a row; None: it has none."""
    better: int = 0
    """1: more is better, -1: less, 2: 1 is best; 0: neither."""
    digits: int = 3

    @property
    def directed(self) -> str:
        """The head, and which way is better."""
        return self.head + ARROWS.get(self.better, "")

    def text(self, row: Any) -> str:
        """The figure as the table shows it."""
        value = self.of(row)
        return "" if value is None else f"{value:,.{self.digits}f}"

    def best(self, rows: Sequence[Any]) -> list[bool]:
        """Whether each row has the best figure of several, as far as the digits shown tell."""
        values = [self.of(row) for row in rows]
        ranks = [None if value is None else self._rank(round(value, self.digits)) for value in values]
        known = [rank for rank in ranks if rank is not None]
        return [self.better != 0 and len(set(known)) > 1 and rank == max(known) for rank in ranks]

    def _rank(self, value: float) -> float:
        return -abs(value - 1) if self.better == 2 else self.better * value


Cells = tuple[tuple[str, bool], ...]
"""Of a row, by column: the text, and whether it is the best of its column."""


def with_figures(columns: Iterable[Column], rows: Sequence[Any]) -> list[Column]:
    """The columns in which any row has a figure."""
    return [column for column in columns if any(column.of(row) is not None for row in rows)]


def cells(columns: Sequence[Column], rows: Sequence[Any]) -> list[Cells]:
    """What a table shows, row by row."""
    best = [column.best(rows) for column in columns]
    return [
        tuple((column.text(row), marks[number]) for column, marks in zip(columns, best, strict=True))
        for number, row in enumerate(rows)
    ]
