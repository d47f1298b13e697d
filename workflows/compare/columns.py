"""The columns of the table of runs, and of the movies of a run."""

from functools import partial
from operator import attrgetter

from workflows.compare.scored import ScoredMovie, ScoredRun
from workflows.report.columns import Column


def _metric(key: str, row: ScoredRun | ScoredMovie) -> float | None:
    metrics = row.overall if isinstance(row, ScoredRun) else row.metrics
    return getattr(metrics, key) if metrics else None


def _scored(key: str, head: str, meaning: str, better: int = 1) -> Column:
    """A metric of a run over all movies, or of one movie."""
    return Column(key, head, meaning, partial(_metric, key), better)


def _counted(key: str, head: str, meaning: str, digits: int = 0) -> Column:
    """What needs no label."""
    return Column(key, head, meaning, attrgetter(key), digits=digits)


COLUMNS = (
    _scored("v_measure", "V", "V-measure = NMI, each Unknown track a cluster of its own; mean over movies"),
    _scored("wcp", "WCP", "Weighted cluster purity, Unknown counted as wrong; mean over movies"),
    _scored("bcubed_f", "BCubed F", "Harmonic mean of BCubed precision and recall; mean over movies"),
    _scored("pcr", "PCR", "Clusters found per identity, over all movies; 1 is right", 2),
    _counted("clusters", "K", "Clusters found, of named and unnamed tracks"),
    _counted("violations", "violations", "Cannot-link pairs within one cluster"),
    _scored("coverage", "coverage", "Share of the named tracks that are in a cluster"),
    _scored("wcp_assigned", "WCP assigned", "WCP with Unknown left out"),
    _scored("pcr_assigned", "PCR assigned", "PCR of the identities that have a cluster", 2),
    _counted("seconds", "seconds", "Spent in the method itself", digits=2),
)
"""In the order shown: a narrow terminal leaves out the last ones."""
