"""What a scheduled run did: how each stage ended, what failed, and the figures of report.json."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from traceback import format_exception
from typing import Any, Literal

from workflows.console import counted
from workflows.harvest.run import HarvestSummary
from workflows.journal.records import Journal

StageState = Literal["done", "unchanged", "refused", "failed", "left out"]


@dataclass(frozen=True)
class StageOutcome:
    """How a stage ended."""

    stage: str
    """harvest, train, cluster RUN or report."""
    state: StageState
    said: str
    """What came of it, or why nothing did, in a line."""
    seconds: float = 0.0
    failed: dict[str, str] = field(default_factory=dict)
    """Message by movie_id."""
    figures: dict[str, Any] = field(default_factory=dict)
    """More of it, for report.json."""

    @property
    def noted(self) -> str:
        """What the journal keeps of it, with how many movies failed in a stage that did its work."""
        failed = f", {counted(len(self.failed), 'movie')} failed" if self.failed and self.state != "failed" else ""
        return f"{self.stage}: {self.state}{failed}"


def unexpected(stage: str, error: Exception, seconds: float) -> StageOutcome:
    """The outcome of a stage that an error ended which nobody foresaw; the others go on. Raises it if it is a stop."""
    if error.__cause__ is not None and not isinstance(error.__cause__, Exception):
        raise error  # Ctrl-C comes out of Ray's compiled code as a SystemError around it
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return StageOutcome(stage, "failed", said, seconds, figures={"traceback": "".join(format_exception(error))})


def anything_failed(stages: Iterable[StageOutcome]) -> bool:
    """Whether a movie or a stage failed."""
    return any(stage.failed or stage.state == "failed" for stage in stages)


@dataclass(frozen=True)
class CorpusSummary:
    """What a run of all stages did."""

    journal: Journal
    stages: list[StageOutcome]
    harvest: HarvestSummary | None
    gone: dict[str, str]
    """Movies of the dataset that are no longer in the corpus, with the other corpus that has them; "": none …"""
    pruned: tuple[str, ...]
    """… and those of them that were removed."""
    later: tuple[str, ...]
    """Movies left for another run by the limit."""
    seconds: float

    @property
    def failed(self) -> bool:
        """Whether a movie or a stage failed."""
        return anything_failed(self.stages)

    @property
    def refused(self) -> bool:
        """Whether all that was asked for was refused: a training alone, of too little."""
        return bool(self.stages) and all(stage.state == "refused" for stage in self.stages)
