"""Movies that would fail again as they are: a run leaves them out, and names them, until they change or it is asked."""

import hashlib
import json
from importlib.metadata import version
from typing import Any

from harvest.corpus import Movie
from harvest.dataset.records import FailureRecord, SourceStamp
from harvest.faces import Pack
from harvest.identity import config_hash
from workflows.config import Config

UNDECODABLE = "VideoDecodeError"
"""The file itself cannot be decoded, which a second try meets again. What was out of reach has an error of its own."""

QUARANTINING = "WorkerLostError"
"""A worker crashed, hung or took too much memory over the movie itself. What a machine did is no fault of the movie's,
and other errors may be gone at the next run."""


def is_held_against(error: BaseException, config: Config) -> bool:
    """Whether the movie is to blame. A GPU's decoder fails for want of memory too, and says so no other way."""
    name = type(error).__name__
    return name == QUARANTINING or (name == UNDECODABLE and config.decode.device == "cpu")


def settings_digest(pack: Pack, config: Config) -> str:
    """Digest of all that decides how a worker fares with a file, but for the file."""
    limits = config.run.model_dump(include={"memory_gb", "memory_excess", "stall_s", "device", "batch"})
    return _digest([config_hash(config.harvest), config.decode.model_dump(), pack.hash, limits, version("castmine")])


def tried_with(movie: Movie, stamp: SourceStamp | None, settings: str) -> str:
    """Digest of the file and of the settings, of `settings_digest`; empty where the file is out of reach."""
    return _digest([movie.uri, stamp.model_dump(), settings]) if stamp else ""


def _digest(facts: list[Any]) -> str:
    return hashlib.blake2b(json.dumps(facts, sort_keys=True).encode(), digest_size=12).hexdigest()


def why_left_out(failure: FailureRecord | None, tried: str, attempts: int) -> str:
    """Why a movie is not tried again as it is; empty where it is.

    Args:
        tried: what it would be tried with, of `tried_with`. attempts: how many workers it may cost.
    """
    if failure is None or not failure.tried_with or failure.tried_with != tried:
        return ""
    if failure.error == UNDECODABLE:
        return f"unchanged since it failed: --retry-failed takes it again; {failure.message}"
    if failure.error == QUARANTINING and failure.attempts >= attempts:
        return f"quarantined: --retry-failed takes it again; {failure.message}"
    return ""
