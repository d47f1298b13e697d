"""Movies that cost their workers: a run leaves out what has cost as many as it allows, until asked to try again."""

import hashlib
import json

from harvest.corpus import Movie
from harvest.dataset.records import FailureRecord
from harvest.errors import VideoDecodeError
from harvest.faces import Pack
from harvest.identity import config_hash, source_stamp
from workflows.config import Config

QUARANTINING = "WorkerLostError"
"""A worker crashed, hung or took too much memory over the movie itself. What a machine did is no fault of the movie's,
and other errors are final at once and cost seconds to meet."""


def tried_with(movie: Movie, pack: Pack, config: Config) -> str:
    """Digest of the file and of all that decides whether a worker survives it; empty where the file is out of reach."""
    try:
        stamp = source_stamp(movie.uri)
    except VideoDecodeError:
        return ""
    limits = config.run.model_dump(include={"memory_gb", "memory_excess", "stall_s", "device", "batch"})
    facts = [movie.uri, stamp.model_dump(), config_hash(config.harvest), config.decode.model_dump(), pack.hash, limits]
    return hashlib.blake2b(json.dumps(facts, sort_keys=True).encode(), digest_size=12).hexdigest()


def why_left_out(failure: FailureRecord | None, movie: Movie, pack: Pack, config: Config) -> str:
    """Why a movie is not tried again as it is; empty where it is."""
    if failure is None or failure.error != QUARANTINING or failure.attempts < config.run.attempts:
        return ""
    if not failure.tried_with or failure.tried_with != tried_with(movie, pack, config):
        return ""
    return f"quarantined: --retry-failed takes it again; {failure.message}"
