"""Every number of a harvest, named and documented. A YAML file fills these and `--set harvest.stride=3` overrides them.

All fields here change the output, so all of them enter a movie's `harvest_id`; how the work is spread over workers
stands in `workflows/config.py`. † marks a choice of ours where the papers give none.
"""

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A frozen part of the configuration: unknown keys are errors, field docstrings are its manual."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class ShotsConfig(Section):
    """Cuts and dissolves, by a rule that looks `context` frames to either side and keeps no state."""

    context: int = Field(default=32, ge=16)
    """W: whether a shot begins at frame f depends on frames f-W … f+W only †. Dissolves of W-10 frames are found."""
    cut_colour: float = Field(default=17.0, gt=0)
    """A cut changes the picture by this much (0-255, dark pictures made brighter) more than the two frames before and
    after do (cuts from 24, fast movement to 11 †) …"""
    cut_colour_least: float = Field(default=8.0, ge=0)
    """… or by this much, if it stands out in hue, saturation and value too: hue alone jumps in grey pictures †."""
    cut_change: float = Field(default=27.0, gt=0)
    """It does where these change by so much on average (0-255; PySceneDetect's default) …"""
    cut_margin: float = Field(default=15.0, ge=0)
    """… and by this much more than in the two frames before and after (cuts from 28, fast movement to 12 †)."""
    flash_frames: int = Field(default=6, ge=1, le=12)
    """A picture that comes back within so many frames was interrupted by a flash, not cut †."""
    flash_return: float = Field(default=0.25, ge=0, le=1)
    """It has come back when it differs from before by less than this share of the change †."""
    dissolve_misfit: float = Field(default=0.08, gt=0)
    """Largest distance of the frames of a dissolve from a steady mixture of its ends, as a share of the ends' distance
    (dissolves to 0.054, a fast zoom 0.096, movement from 0.10 †)."""
    dissolve_colour: float = Field(default=12.0, gt=0)
    """The ends of a dissolve differ by this much, dark ones made brighter, in half of the picture; and so much of the
    later end is no brighter or darker form of the earlier (photomovies from 22, lights turned down to 6 †)."""
    dissolve_alike: float = Field(default=0.7, ge=0, le=1)
    """Ends that correlate more than this are one picture in another light (dissolves to 0.65, lights from 0.8 †)."""
    dissolve_apart: int = Field(default=6, ge=1, le=8)
    """Of the dissolves that may begin within so many frames of each other, the best-fitting is taken †."""


class DetectConfig(Section):
    """Face detection on the analysed frames."""

    side: int = Field(480, ge=64)
    """Longer side of the detector's input in px; the shorter follows the frame's shape, both rounded up to multiples
    of 32 (480 x 288 for 640 x 360) †."""
    score: float = Field(0.5, gt=0, lt=1)
    """Detections below this confidence are not taken (insightface's own default)."""
    nms_iou: float = Field(0.4, gt=0, lt=1)
    """Of two detections that overlap more than this, the better one stays (SCRFD's own default)."""
    size_px: float = Field(16, ge=0)
    """Smallest shorter side of a face box, in px of the source frame †."""


class TrackConfig(Section):
    """Tracking within a shot (BoT-SORT without re-identification or camera motion)."""

    seconds: float = Field(1.0, ge=0)
    """Shortest track kept (Multi-Face: 1 s)."""
    gap_s: float = Field(1.0, ge=0)
    """Longest time without a detection that a track survives †."""
    match_iou: float = Field(0.2, gt=0, lt=1)
    """Smallest overlap at which a detection continues a track †."""


class QualityConfig(Section):
    """Thresholds of the quality flags of a track, applied to the medians over its detected faces †."""

    profile_yaw: float = Field(40.0, ge=0)
    """From this absolute yaw (degrees) a face is in profile; below it, frontal. In clips both eyes are whole up to 38,
    and from 43 the far eye meets the outline of the face."""
    blurred_sharpness: float = Field(8.0, ge=0)
    """Below this sharpness (variance of the Laplacian of the 112 px grey face) a face is blurred. Of 412 faces in clips
    and photographs those below it show no clear eyes; in focus, 50 px faces reach 9-40 and 90 px faces 70-130."""
    dark_brightness: float = Field(60.0, ge=0)
    """Below this mean luma (0-255) a face is dark. An audience in the dark has 7-47, photographs from 62 on."""


class EmbedConfig(Section):
    """Which faces of a track are embedded, with their chips kept."""

    every: int = Field(3, ge=1)
    """Every n-th detected face of a track is embedded …"""
    at_least: int = Field(9, ge=1)
    """… but never fewer than this many, spread evenly, where the track has them."""
    chip_quality: int = Field(95, ge=1, le=100)
    """JPEG quality of the stored chip; the embedding is that of the stored chip, not of the crop before it †."""


class LinksConfig(Section):
    """Cannot-link pairs."""

    overlap: float = Field(0.4, gt=0, le=1)
    """A frame in which two boxes overlap by more than this share of the smaller one may show one face found twice: it
    does not count †."""
    frames: int = Field(1, ge=1)
    """Two tracks are linked from so many frames on in which both faces were detected, apart †."""


class HarvestConfig(Section):
    """From a movie to its tables."""

    stride: int = Field(3, ge=1)
    """Every n-th frame (absolute frame number) is analysed; boxes between are interpolated."""
    shots: ShotsConfig = ShotsConfig()
    detect: DetectConfig = DetectConfig()
    track: TrackConfig = TrackConfig()
    quality: QualityConfig = QualityConfig()
    embed: EmbedConfig = EmbedConfig()
    links: LinksConfig = LinksConfig()
