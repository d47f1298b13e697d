"""The tracks of a movie as a contact sheet shows them: when, how hard to tell, and the face that shows each best."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from workflows.report.config import ReportConfig

FLAGS = ("profile", "blurred", "dark")
"""Quality flags of a track that make a face hard to tell; `frontal` is the normal case and is not shown."""
FACE_COLUMNS = ("track_id", "frame", "score", "sharpness", "brightness", "yaw", "pitch", "chip")
"""The columns of `faces` that a cast sheet needs."""


@dataclass(frozen=True)
class Contact:
    """A track as the contact sheet shows it."""

    track_id: int
    shot_id: int
    start_s: float
    end_s: float
    flags: tuple[str, ...]
    chip: bytes | None
    """JPEG; null: no face of the track was sampled."""
    quality: float
    """`chip_quality` of the chip."""
    identity: str | None
    """Its label."""
    wrong: bool = False
    """Its label is not what most of its character's tracks are."""

    @property
    def seconds(self) -> float:
        """Length of the track."""
        return self.end_s - self.start_s

    @property
    def span(self) -> tuple[float, float]:
        """`[start_s, end_s)`."""
        return self.start_s, self.end_s


def chip_quality(faces: pa.Table, config: ReportConfig) -> np.ndarray:
    """How well each face shows a person, (n,) float64 in 0-1: frontal × sharp × lit × the detector's confidence.

    cos(yaw) cos(pitch) is the share of the face's area turned to the camera; sharpness and brightness saturate as
    x / (x + half). A null counts as 0, which only an interpolated face has.
    """

    def column(name: str) -> np.ndarray:
        values: np.ndarray = np.nan_to_num(faces[name].to_numpy().astype(np.float64))
        return values

    frontal = np.clip(np.cos(np.radians(column("yaw"))), 0, 1) * np.clip(np.cos(np.radians(column("pitch"))), 0, 1)
    sharpness, brightness = column("sharpness"), column("brightness")
    sharp = sharpness / (sharpness + config.half_sharpness)
    lit = brightness / (brightness + config.half_brightness)
    quality: np.ndarray = frontal * sharp * lit * column("score")
    return quality


def choose_chip(faces: pa.Table, config: ReportConfig) -> dict[int, tuple[bytes, float]]:
    """The best chip of each track that has one, with its quality, by track_id; ties go to the earlier face."""
    sampled = np.flatnonzero(faces["chip"].is_valid().to_numpy(zero_copy_only=False))
    if not len(sampled):
        return {}
    seen = faces.select([name for name in FACE_COLUMNS if name != "chip"]).take(pa.array(sampled))
    quality = chip_quality(seen, config)
    track_ids = seen["track_id"].to_numpy()
    order = np.lexsort((seen["frame"].to_numpy(), -quality, track_ids))
    best = order[np.flatnonzero(np.diff(track_ids[order], prepend=track_ids[order[0]] - 1))]
    chips = faces["chip"].take(pa.array(sampled[best])).to_pylist()  # hundreds of MB of chips stay uncopied
    return {int(track_ids[row]): (chip, float(quality[row])) for row, chip in zip(best, chips, strict=True)}


def majority(names: Iterable[str]) -> str | None:
    """The most frequent name; ties go to the first in the alphabet; null: there is none."""
    counts = Counter(names)
    return min(counts, key=lambda name: (-counts[name], name)) if counts else None


def read_contacts(
    tracks: pa.Table, faces: pa.Table, identities: Mapping[int, str], config: ReportConfig
) -> list[Contact]:
    """All tracks of a movie by time, each with its best chip."""
    chips = choose_chip(faces, config)
    columns = tracks.select(["track_id", "shot_id", "start_s", "end_s", *FLAGS])
    contacts = [_contact(row, chips.get(row["track_id"]), identities) for row in columns.to_pylist()]
    return sorted(contacts, key=lambda contact: (contact.start_s, contact.track_id))


def _contact(row: Mapping[str, Any], chip: tuple[bytes, float] | None, identities: Mapping[int, str]) -> Contact:
    return Contact(
        track_id=row["track_id"],
        shot_id=row["shot_id"],
        start_s=row["start_s"] or 0.0,
        end_s=row["end_s"] or 0.0,
        flags=tuple(flag for flag in FLAGS if row[flag]),
        chip=chip[0] if chip else None,
        quality=chip[1] if chip else 0.0,
        identity=identities.get(row["track_id"]),
    )
