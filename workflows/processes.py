"""Whether the process that put its name on something has ended: known for certain only where it ran beside this one."""

import os
import platform
from pathlib import Path


def process_mark(pid: int) -> str:
    """What tells a process from a later one of the same number, of another container or of another machine.

    Boot, namespace of process ids (one for each container), start; empty where there is no such process.
    """
    try:
        started = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
        return f"{_place()}/{started}"
    except (OSError, IndexError):
        return ""


def is_gone(host: str, pid: int, mark: str) -> bool:
    """Whether a process that left its host, number and mark is no more; False where nobody here can know."""
    try:
        beside_us = host == platform.node() and mark.rpartition("/")[0] == _place()
    except OSError:
        return False
    return beside_us and process_mark(pid) != mark


def _place() -> str:
    """Where a process number means what it means here. Raises OSError where the system does not say."""
    return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()}/{os.readlink('/proc/self/ns/pid')}"
