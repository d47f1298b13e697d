"""Tables for the tests of the report, with real faces: the six people of the group photo that insightface ships."""

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import cv2
import numpy as np
import pyarrow as pa

from harvest.dataset.schema import SCHEMAS

PEOPLE = ((746, 339, 846, 481), (465, 265, 573, 416), (59, 263, 169, 396), (1131, 271, 1226, 399), (905, 54, 1013, 204))
"""Boxes x1, y1, x2, y2 in the photo, px."""


@cache
def real_chip(person: int) -> bytes:
    """A 112 px face of the group photo, as a JPEG."""
    image = np.asarray(cv2.imread(str(files("insightface") / "data" / "images" / "t1.jpg")))
    x1, y1, x2, y2 = PEOPLE[person % len(PEOPLE)]
    face = cv2.resize(image[y1 - 10 : y2 + 10, x1 - 25 : x2 + 25], (112, 112), interpolation=cv2.INTER_AREA)
    return bytes(cv2.imencode(".jpg", face, [cv2.IMWRITE_JPEG_QUALITY, 95])[1])


def table(name: str, rows: Sequence[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist([{"movie_id": "m", **row} for row in rows], schema=SCHEMAS[name])


def track(track_id: int, start_s: float, end_s: float, shot_id: int = 0, **flags: bool) -> dict[str, Any]:
    frames = {"start_frame": round(25 * start_s), "end_frame": round(25 * end_s)}
    return {"track_id": track_id, "shot_id": shot_id, "start_s": start_s, "end_s": end_s, **frames, **flags}


def face(track_id: int, chip: bytes | None, frame: int = 0, **measured: float) -> dict[str, Any]:
    best = {"score": 0.9, "sharpness": 300.0, "brightness": 120.0, "yaw": 0.0, "pitch": 0.0}
    return {"track_id": track_id, "frame": frame, "chip": chip, **best, **measured}


def clusters(assigned: dict[int, int], run: str = "first") -> pa.Table:
    rows = [{"run": run, "track_id": t, "cluster_id": c, "method": "hac", "model": "base"} for t, c in assigned.items()]
    return table("clusters", rows)


def labels(identities: dict[int, str | None]) -> pa.Table:
    return table("labels", [{"label_id": t, "track_id": t, "identity": name} for t, name in identities.items()])


def links(*pairs: tuple[int, int]) -> pa.Table:
    return table("links", [{"track_a": a, "track_b": b, "frames_together": 9} for a, b in pairs])


def shots(*begins_s: float, end_s: float = 100.0) -> pa.Table:
    ends = [*begins_s[1:], end_s]
    begins = ["start"] + ["cut"] * len(begins_s)
    spans = zip(begins_s, ends, begins, strict=False)
    return table(
        "shots",
        [{"shot_id": i, "start_s": start, "end_s": end, "begins": how} for i, (start, end, how) in enumerate(spans)],
    )


def movie(**columns: Any) -> dict[str, Any]:
    row = {"movie_id": "m", "title": "The Group Photo", "uri": "films/m.mp4", "fps": 25.0, "duration_s": 100.0}
    row |= {"width": 1280, "height": 886, "harvest_id": "h1", "config_hash": "c1", "models": "pack", "drops": []}
    return {**row, **columns}
