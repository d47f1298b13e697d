"""The way of a movie: decode → shots → detect → track → quality → embed → links, in segments, then joined.

Any split into segments gives the same tables: a shot belongs to the segment in which it starts, and its worker reads
on to the shot's end (design rule 3).
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from harvest.config import HarvestConfig
from harvest.dataset.schema import SCHEMAS
from harvest.faces import FaceModels
from harvest.links import cannot_links
from harvest.rows import face_rows, link_row, shot_row, track_row
from harvest.segments import Segment, frame_digest
from harvest.shot_tracks import OpenShot, Shot
from harvest.shots import mark_shots
from harvest.track import FaceTracker
from harvest.video import VideoReader
from harvest.workbench import Stage, Workbench, staged, unmeasured


@dataclass(frozen=True)
class SegmentTables:
    """What one segment gives: tables with ids of its own, what was dropped, digests of the frames at its borders."""

    tables: dict[str, pa.Table]
    drops: dict[str, int]
    digests: dict[int, bytes]


def harvest_segment(
    movie_id: str,
    reader: VideoReader,
    segment: Segment,
    models: FaceModels,
    config: HarvestConfig,
    threshold: float | None = None,
    batch: int = 1,
    stage: Stage = unmeasured,
    on_frame: Callable[[int], None] = lambda index: None,
) -> SegmentTables:
    """Harvest the shots that start in a segment.

    Args:
        threshold: cosine distance at which the models' embeddings part two people; None where nobody knows.
        on_frame: called with the number of each frame as it is decoded: for progress, and to prove life.

    Raises:
        VideoDecodeError: the video ends or breaks before its last announced frame.
    """
    fps, times_s = reader.facts.fps, reader.facts.times_s
    with stage("load"):  # once a process: torch, 2 s
        tracker = FaceTracker(fps / config.stride, config.detect.score, config.track)
    bench = Workbench(models, tracker, config, fps, times_s, threshold, batch, stage)
    digests: dict[int, bytes] = {}
    frames = _decode(reader, segment, config, digests, stage, on_frame)
    shots = list(_shots(frames, segment, reader.facts.frames, bench))
    return SegmentTables(_tables(movie_id, shots, reader, bench), dict(bench.drops), digests)


def _decode(
    reader: VideoReader,
    segment: Segment,
    config: HarvestConfig,
    digests: dict[int, bytes],
    stage: Stage,
    on_frame: Callable[[int], None],
) -> Iterator[tuple[int, np.ndarray]]:
    """Frames from W before the segment on; those around its borders leave their digests (design rule 4)."""
    context = config.shots.context
    borders = [border for border in (segment.start, segment.stop) if 0 < border < reader.facts.frames]
    for index, image in staged(reader.frames(max(0, segment.start - context)), "decode", stage):
        if any(border - context <= index < border + context for border in borders):
            digests[index] = frame_digest(image)
        on_frame(index)
        yield index, image


def _shots(
    frames: Iterator[tuple[int, np.ndarray]], segment: Segment, movie_frames: int, bench: Workbench
) -> Iterator[Shot]:
    """The shots that start in the segment, each followed to its end."""
    stride, shot = bench.config.stride, None
    marked = mark_shots(frames, bench.config.shots, keep=lambda index: index >= segment.start and index % stride == 0)
    for frame in staged(marked, "shots", bench.stage):
        if frame.index < segment.start:
            continue
        if frame.begins:
            if shot:
                yield shot.close(frame.index)
            shot = OpenShot(frame.index, frame.begins, bench) if frame.index < segment.stop else None
        if shot:
            shot.see(frame)
        elif frame.index >= segment.stop:
            return
    if shot:
        yield shot.close(movie_frames)


def _tables(movie_id: str, shots: list[Shot], reader: VideoReader, bench: Workbench) -> dict[str, pa.Table]:
    times_s, config = reader.facts.times_s, bench.config
    rows: dict[str, list[dict[str, object]]] = {"shots": [], "tracks": [], "links": []}
    faces = [SCHEMAS["faces"].empty_table()]
    for shot_id, shot in enumerate(shots):
        first = len(rows["tracks"])
        track_ids = list(range(first, first + len(shot.tracks)))
        settled = [
            (track.seen.frames[track.seen.settled], track.seen.boxes[track.seen.settled]) for track in shot.tracks
        ]
        rows["shots"].append(shot_row(movie_id, shot_id, shot, times_s))
        for track_id, track in zip(track_ids, shot.tracks, strict=True):
            rows["tracks"].append(track_row(movie_id, track_id, shot_id, track, times_s, config.quality))
            faces.append(face_rows(movie_id, track_id, track, times_s))
        rows["links"] += [link_row(movie_id, track_ids, link) for link in cannot_links(settled, config.links)]
    tables = {name: pa.Table.from_pylist(found, schema=SCHEMAS[name]) for name, found in rows.items()}
    return tables | {"faces": pa.concat_tables(faces)}


def join_segments(segments: Sequence[SegmentTables]) -> tuple[dict[str, pa.Table], dict[str, int]]:
    """The tables of a movie from those of its segments, in order, and what was dropped in all.

    Shots keep their order; tracks are numbered anew by (start_frame, x1, y1, x2, y2) of their first face.
    """
    shots, tracks = 0, 0
    parts: dict[str, list[pa.Table]] = {"shots": [], "tracks": [], "faces": [], "links": []}
    drops: Counter[str] = Counter()
    for segment in segments:
        offsets = {"shot_id": shots, "track_id": tracks, "track_a": tracks, "track_b": tracks}
        for name, table in segment.tables.items():
            parts[name].append(_shift(table, offsets))
        shots += segment.tables["shots"].num_rows
        tracks += segment.tables["tracks"].num_rows
        drops.update(segment.drops)
    joined = {name: pa.concat_tables(tables).combine_chunks() for name, tables in parts.items()}
    return _number_tracks(joined), {reason: n for reason, n in sorted(drops.items()) if n}


def _shift(table: pa.Table, offsets: dict[str, int]) -> pa.Table:
    for column in set(offsets) & set(table.column_names):
        table = _set(table, column, pc.add(table[column], pa.scalar(offsets[column], pa.int32())))
    return table


def _number_tracks(tables: dict[str, pa.Table]) -> dict[str, pa.Table]:
    faces, tracks, links = tables["faces"], tables["tracks"], tables["links"]
    if not tracks.num_rows:
        return tables
    ids = faces["track_id"].to_numpy()
    starts = np.searchsorted(ids, np.arange(tracks.num_rows))  # faces lie by track and frame
    keys = [faces[name].to_numpy()[starts] for name in ("y2", "x2", "y1", "x1", "frame")]
    number = np.empty(tracks.num_rows, np.int32)
    number[np.lexsort(keys)] = np.arange(tracks.num_rows, dtype=np.int32)
    pairs = np.sort(np.stack([number[links[end].to_numpy()] for end in ("track_a", "track_b")], axis=1), axis=1)
    partners = np.bincount(pairs.ravel(), minlength=tracks.num_rows).astype(np.int32)
    tracks = _set(tracks, "track_id", pa.array(number))
    links = _set(_set(links, "track_a", pa.array(pairs[:, 0])), "track_b", pa.array(pairs[:, 1]))
    return tables | {
        "faces": _set(faces, "track_id", pa.array(number[ids])),
        "tracks": _set(tracks, "cannot_links", pa.array(partners[number])),
        "links": links,
    }


def _set(table: pa.Table, column: str, values: pa.Array) -> pa.Table:
    return table.set_column(table.schema.get_field_index(column), table.schema.field(column), values)
