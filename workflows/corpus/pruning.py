"""The pruning stage: movies that have left the corpus leave the dataset, where the user has said so."""

import time

from workflows.console import counted
from workflows.corpus.outcome import StageOutcome
from workflows.corpus.session import Session
from workflows.harvest.gone import may_go, prune

STAGE = "prune"


def prune_stage(session: Session, missing: dict[str, str], most: float) -> StageOutcome:
    """Remove movies, every row and file; refused where so many are missing that the corpus itself may be."""
    began = time.monotonic()
    refused = prune(session.dataset, session.movies, missing, most)
    said = refused or f"removed {counted(len(may_go(missing)), 'movie')}"
    return StageOutcome(STAGE, "failed" if refused else "done", said, time.monotonic() - began)
