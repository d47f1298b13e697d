"""What of a dataset belongs to the pack of a scheduled run: its movies, and the threshold that they are clustered at.

The threshold is kept from run to run until enough of the corpus is new: another one clusters every movie again.
"""

from harvest.dataset.cards import get_card
from harvest.dataset.read import Dataset
from harvest.dataset.records import MovieRecord
from workflows.corpus.notes import StageNote, digest, enough_changed, put_note, read_note
from workflows.corpus.session import Session

THRESHOLD = "threshold"
"""Under this name it is noted which movies the pack's threshold was calibrated on."""


def of_pack(dataset: Dataset, models_hash: str) -> list[MovieRecord]:
    """The movies that were harvested with these models."""
    return [record for record in dataset.records() if record.models_hash == models_hash]


def left_out(dataset: Dataset, models_hash: str) -> str:
    """Names the movies that were harvested with other models, for the line of a stage that can do nothing with them."""
    others = [record.movie_id for record in dataset.records() if record.models_hash != models_hash]
    shown = ", ".join(others[:3]) + (", …" if len(others) > 3 else "")
    return f"; left out, harvested with other models: {shown}" if others else ""


def kept_threshold(session: Session) -> tuple[str, ...]:
    """The hash of the session's pack, where its calibrated threshold stays as it is; empty: calibrate it anew."""
    card, note = get_card(session.dataset.store, session.pack.hash), read_note(session.dataset.store, THRESHOLD)
    if session.force or card is None or note is None or not card.calibrated_on:
        return ()
    same = note.made == card.calibrated_on and note.fingerprint == _fingerprint(session)
    movies = _harvests(of_pack(session.dataset, session.pack.hash))
    changed = enough_changed(note.movies, movies, session.config.corpus.renew_share)
    return () if changed or not same else (session.pack.hash,)


def note_threshold(session: Session, movies: list[MovieRecord]) -> None:
    """Put down that the pack's threshold was calibrated on these movies, where it was."""
    from workflows.cluster.thresholds import calibration_state

    card = get_card(session.dataset.store, session.pack.hash)
    if card and card.calibrated_on == calibration_state(movies, session.config.train):
        note = StageNote(
            fingerprint=_fingerprint(session),
            movies=_harvests(movies),
            outcome="done",
            said=card.calibration,
            made=card.calibrated_on,
            at="",
        )
        put_note(session.dataset.store, THRESHOLD, note)


def _harvests(movies: list[MovieRecord]) -> dict[str, str]:
    return {movie.movie_id: movie.harvest_id for movie in movies}


def _fingerprint(session: Session) -> str:
    return digest([session.pack.hash, session.config.train.model_dump(mode="json")])
