"""The pruning stage: movies that have left the corpus leave the dataset, where the user has said so."""

import time

from workflows.console import counted
from workflows.corpus.outcome import StageOutcome
from workflows.corpus.session import Session
from workflows.harvest.gone import forget_movie

STAGE = "prune"


def prune_stage(session: Session, missing: tuple[str, ...]) -> StageOutcome:
    """Remove movies, every row and file; refused where so many are missing that the corpus itself may be."""
    began, most = time.monotonic(), session.config.corpus.shrunk
    held = [record.movie_id for record in session.dataset.records()]
    leaving = len(set(held) & set(missing))  # of the others nothing but a failure is known
    if held and leaving / len(held) > most and not session.force:
        said = (
            f"{leaving} of {len(held)} movies are no longer in the corpus, more than corpus.shrunk allows "
            f"({most:.0%}): nothing was removed; is all of the corpus mounted? If they are really gone, add --force"
        )
        return StageOutcome(STAGE, "failed", said, time.monotonic() - began)
    for movie_id in missing:
        forget_movie(session.dataset, movie_id)
    return StageOutcome(STAGE, "done", f"removed {counted(len(missing), 'movie')}", time.monotonic() - began)
