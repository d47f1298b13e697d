"""What a pool of workers is given: jobs, and what it puts up with."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Limits:
    """What a pool puts up with."""

    attempts: int
    """How often a job is tried that costs its worker. An error that the worker raises is final at once."""
    stall_s: float
    """Seconds without progress after which a worker is killed."""
    start_s: float = 120.0
    """Seconds without any worker after which the pool gives up."""
    memory_bytes: int | None = None
    """A worker that holds more is killed."""
    jobs: int | None = None
    """After so many a worker makes room for a new one."""
    losses: int = 10
    """How often a job is tried again whose worker went with its machine, which is not held against the job."""


@dataclass
class Job:
    """A call of one method of a worker."""

    key: str
    method: str
    arguments: tuple[Any, ...]
    weight: float = 0.0
    """Seconds or frames it takes: the heaviest goes first, so that none is the tail."""
    attempts: int = 0
    """How often it was begun …"""
    losses: int = 0
    """… and how often of these its machine was to blame that it did not end."""
