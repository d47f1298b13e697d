"""Keeps a run's journal: a thread writes it every few seconds, and so shows life also while the run says nothing."""

import os
import platform
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Any
from uuid import uuid4

from harvest.dataset.commit import now
from harvest.dataset.store import Store
from harvest.errors import DatasetError
from workflows.config import RunConfig
from workflows.journal.records import Journal, Outcome, journal_path, run_ids, to_json
from workflows.processes import process_mark

Fields = dict[str, Any]
"""Of a `Journal`."""


class JournalWriter:
    """A journal for as long as the block runs. A journal that cannot be written never ends the run."""

    def __init__(
        self, store: Store, command: str, corpus: str, models: str, config: RunConfig, retry: str = ""
    ) -> None:
        begun = datetime.now(UTC)
        self._store, self._kept = store, config.journals
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._source: Callable[[], Fields] = dict
        self.failed = False
        """Something else failed than a movie's harvest: the run ends as one that failed."""
        self._thread = threading.Thread(target=self._beat, daemon=True, name="journal")
        self.journal = Journal(
            run_id=f"{begun:%Y%m%dT%H%M%S}.{begun.microsecond:06d}-{uuid4().hex[:4]}",
            command=command,
            corpus=corpus,
            models=models,
            retry=retry,
            host=platform.node(),
            process=os.getpid(),
            process_mark=process_mark(os.getpid()),
            started_at=begun.isoformat(timespec="seconds"),
            heartbeat_at=now(),
            heartbeat_s=config.heartbeat_s,
        )

    def say(self, **fields: Any) -> None:
        """Put down fields of the journal."""
        with self._lock:
            self.journal = self.journal.model_copy(update=fields)

    def follow(self, source: Callable[[], Fields]) -> None:
        """Ask `source`, cheap and safe from another thread, for fields at every heartbeat from now on."""
        self._source = source
        self.say(**source())
        if self._thread.is_alive():  # only a run that has work keeps a journal
            self._write()

    def unfollow(self) -> None:
        """Ask the source once more and never again: what it tells of has ended."""
        self.say(**self._source())
        self._source = dict

    def __enter__(self) -> "JournalWriter":
        with suppress(DatasetError, OSError):
            for old in run_ids(self._store)[: -self._kept]:
                self._store.delete(journal_path(old))
        self._write()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self.say(**self._source())
        self.say(outcome=self._outcome(error), ended_at=now(), eta_s=None)
        if self.journal.outcome == "broken":
            self.say(note=str(error) or type(error).__name__)
        self._write()

    def _outcome(self, error: BaseException | None) -> Outcome:
        if error is None:
            return "failed" if self.failed or self.journal.counts.get("failed") else "done"
        inner = error
        if isinstance(error, SystemError):  # as which Ctrl-C comes out of Ray's compiled code
            inner = error.__cause__ or error
        return "broken" if isinstance(inner, Exception) else "interrupted"

    def _beat(self) -> None:
        while not self._ended.wait(self.journal.heartbeat_s):
            self.say(**self._source())
            self._write()

    def _write(self) -> None:
        self.say(heartbeat_at=now())
        with suppress(DatasetError, OSError):
            self._store.put(journal_path(self.journal.run_id), to_json(self.journal))
