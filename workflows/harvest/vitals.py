"""What the system says of the process that asks."""

import resource
from pathlib import Path


def peak_bytes() -> int:
    """Largest resident memory of this process so far (ru_maxrss is in KiB on Linux)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class Vitals:
    """What the system says of this process. Asking makes it read a little, which is no work, and is taken off."""

    def __init__(self) -> None:
        self._asking_bytes = 0

    def mebibytes_read(self) -> int:
        """Whole MiB read so far, for Ray's own threads read a little at all times; 0 where the system does not say."""
        try:
            before = self._asking_bytes  # an answer does not count itself
            return (int(self._ask("io").split()[1]) - before) >> 20
        except (OSError, IndexError, ValueError):
            return 0

    def own_memory(self) -> int:
        """Bytes held and shared with nobody, as libraries are; 0 where the system does not say."""
        try:
            _, resident, shared, *_ = map(int, self._ask("statm").split())
        except (OSError, ValueError):
            return 0
        return (resident - shared) * resource.getpagesize()

    def _ask(self, what: str) -> str:
        told = Path(f"/proc/self/{what}").read_text()
        self._asking_bytes += len(told)
        return told
