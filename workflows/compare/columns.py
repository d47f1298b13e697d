"""The columns of the comparison's table: what each figure is called and means, and which way is better."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from workflows.compare.scored import ScoredMovie, ScoredRun


@dataclass(frozen=True)
class Column:
    """One figure of every run and every movie."""

    key: str
    """Its name in CSV and JSON."""
    head: str
    meaning: str
    of: Callable[[Any], float | None]
    """From the metrics of a run or a movie, or from the run or movie itself where `counted`."""
    better: int = 0
    """1: more is better, −1: less, 2: 1 is best; 0: neither."""
    digits: int = 3
    counted: bool = False

    def value(self, row: ScoredRun | ScoredMovie) -> float | None:
        """The figure of a run over all movies, or of one movie."""
        if self.counted:
            return self.of(row)
        metrics = row.overall if isinstance(row, ScoredRun) else row.metrics
        return self.of(metrics) if metrics else None

    def text(self, row: ScoredRun | ScoredMovie) -> str:
        """The figure as the table shows it."""
        value = self.value(row)
        return "" if value is None else f"{value:,.{self.digits}f}"

    def best(self, rows: list[Any]) -> list[bool]:
        """Whether each row has the best figure of several, as far as the digits shown tell."""
        values = [self.value(row) for row in rows]
        ranks = [None if value is None else self._rank(round(value, self.digits)) for value in values]
        known = [rank for rank in ranks if rank is not None]
        return [self.better != 0 and len(set(known)) > 1 and rank == max(known) for rank in ranks]

    def _rank(self, value: float) -> float:
        return -abs(value - 1) if self.better == 2 else self.better * value


COLUMNS = (
    Column("v_measure", "V", "V-measure = NMI, each Unknown track a cluster of its own; mean over movies",
           lambda m: m.v_measure, 1),
    Column("wcp", "WCP", "Weighted cluster purity, Unknown counted as wrong; mean over movies", lambda m: m.wcp, 1),
    Column("wcp_assigned", "WCP assigned", "WCP with Unknown left out", lambda m: m.wcp_assigned, 1),
    Column("bcubed_f", "BCubed F", "Harmonic mean of BCubed precision and recall; mean over movies",
           lambda m: m.bcubed_f, 1),
    Column("pcr", "PCR", "Clusters found per identity, over all movies; 1 is right", lambda m: m.pcr, 2),
    Column("pcr_assigned", "PCR assigned", "The same of the identities that have a cluster",
           lambda m: m.pcr_assigned, 2),
    Column("coverage", "coverage", "Share of the named tracks that are in a cluster", lambda m: m.coverage, 1),
    Column("clusters", "K", "Clusters found, of named and unnamed tracks", lambda r: r.clusters, digits=0,
           counted=True),
    Column("violations", "violations", "Cannot-link pairs within one cluster", lambda r: r.violations, digits=0,
           counted=True),
    Column("seconds", "seconds", "Spent in the method itself", lambda r: r.seconds, digits=2, counted=True),
)  # fmt: skip
"""In the order shown."""
