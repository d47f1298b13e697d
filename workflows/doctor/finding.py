"""What a check found."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from harvest.errors import CastmineError
from harvest.installation import install_command

State = Literal["works", "note", "absent", "broken"]
"""note: in nobody's way, but to be known; absent: something that is not needed here is not there; broken: something
needed does not work."""


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's."""

    what: str
    state: State
    said: str
    """What was found: versions, sizes, places."""
    remedy: str = ""
    """What to do, where it does not work."""


Check = Callable[[], list[Finding]]


def examined(what: str, check: Check) -> list[Finding]:
    """What a check found; one that raises found that it is broken. A native library may raise anything."""
    try:
        return check()
    except Exception as error:
        message = (str(error).strip().splitlines() or [""])[0]
        said = message if isinstance(error, CastmineError) else f"{type(error).__name__}: {message}"
        return [Finding(what, "broken", said[:300], _remedy(error))]


def _remedy(error: Exception) -> str:
    if isinstance(error, ImportError):
        return f"install it again: {install_command()}"
    return ""
