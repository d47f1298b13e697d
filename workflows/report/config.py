"""How much a cast sheet shows."""

from pydantic import Field

from harvest.config import Section


class ReportConfig(Section):
    """How much of a movie a cast sheet shows."""

    chips_shown: int = Field(default=36, ge=1)
    """Tracks of a character that are shown at once: the wrong ones, then the longest †."""
    chips_kept: int = Field(default=120, ge=0)
    """Further tracks of a character whose faces are in the folded part (4-6 KB each); the rest have only a time †."""
    lanes: int = Field(default=30, ge=1)
    """Characters with a lane in the timeline; the others are folded away †."""
    cut_lines: int = Field(default=80, ge=0)
    """Up to this many cuts, lines of them run through all lanes; more would be a grey veil †."""
    portraits: int = Field(default=8, ge=1)
    """Portraits in a movie's line of the index †."""
    companions: int = Field(default=3, ge=0)
    """Characters named under "seen with" †."""
    half_sharpness: float = Field(default=150.0, gt=0)
    """Sharpness at which a face counts half; more than twice this hardly shows in a chip †."""
    half_brightness: float = Field(default=30.0, gt=0)
    """Mean luma at which a face counts half †."""
