"""Ctrl-C and SIGTERM: a run that is stopped says so, and ends with the exit status of one."""

import signal


class InterruptedRunError(BaseException):
    """Ctrl-C, or the SIGTERM by which a scheduler stops a job: nothing that catches errors on the way may hold it."""


def _interrupt(number: int, frame: object) -> None:
    raise InterruptedRunError("stopped; what was committed stays, and the same command goes on from there")


def interruption(error: BaseException) -> InterruptedRunError | None:
    """The interruption that an error is, or None.

    Raised while Ray waits, it comes out as a SystemError that Ray's compiled code has put around it.
    """
    interrupted = error if isinstance(error, InterruptedRunError) else error.__cause__
    return interrupted if isinstance(interrupted, InterruptedRunError) else None


def listen() -> None:
    """From now on Ctrl-C and SIGTERM raise InterruptedRunError."""
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)
