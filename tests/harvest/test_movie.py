"""Any split of a movie into segments gives the same tables to the last byte, on real clips with real models."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from harvest import shot_tracks
from harvest.config import DetectConfig, HarvestConfig
from harvest.dataset.commit import put_shard
from harvest.dataset.records import Shard
from harvest.dataset.schema import HARVEST_TABLES, SCHEMAS, SORT_KEYS
from harvest.dataset.store import Store
from harvest.faces import Detections, FaceModels, find_pack, load_models
from harvest.movie import SegmentTables, harvest_segment
from harvest.segments import Segment, borders_agree
from harvest.tracks import mean_embedding
from harvest.video import VideoReader, open_video
from harvest.whole_movie import join_segments, total_drops

CONFIG = HarvestConfig()
THRESHOLD = 0.6


class RememberingModels:
    """Real models that know what they said of a picture they have seen: for many splits of one clip."""

    def __init__(self, models: FaceModels) -> None:
        self._models = models
        self._seen: dict[bytes, Detections] = {}
        self._embedded: dict[bytes, np.ndarray] = {}
        self.embedding_size, self.chip_size = models.embedding_size, models.chip_size

    def detect(self, frames: Sequence[np.ndarray]) -> list[Detections]:
        for frame in frames:
            if frame.tobytes() not in self._seen:
                self._seen[frame.tobytes()] = self._models.detect([frame])[0]
        return [self._seen[frame.tobytes()] for frame in frames]

    def chips(self, frame: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        return self._models.chips(frame, landmarks)

    def embed(self, chips: np.ndarray) -> np.ndarray:
        for chip in chips:
            if chip.tobytes() not in self._embedded:
                self._embedded[chip.tobytes()] = self._models.embed(chip[None])[0]
        return np.stack([self._embedded[chip.tobytes()] for chip in chips])


class Part:
    """The first frames of a video, as a video."""

    def __init__(self, path: Path, frames: int) -> None:
        self._path, facts = path, open_video(path).facts
        self.facts = replace(facts, frames=min(frames, facts.frames), times_s=facts.times_s[: frames + 1])

    def frames(self, start: int) -> Iterator[tuple[int, np.ndarray]]:
        return islice(open_video(self._path).frames(start), self.facts.frames - start)


@pytest.fixture(scope="module")
def models(pack_folder: Path) -> FaceModels:
    return RememberingModels(load_models(find_pack(str(pack_folder)), CONFIG.detect))


@pytest.fixture(scope="module")
def hamilton(clips: Path) -> VideoReader:
    return Part(clips / "hamilton.mp4", 275)


@pytest.fixture(scope="module")
def photomovie(bench: Path) -> VideoReader:
    """A cut at 210 and a dissolve from 420 to 437, while two to four people are seen."""
    return Part(bench / "photomovies/pm_dev1.mp4", 520)


def harvest(reader: VideoReader, models: FaceModels, borders: Sequence[int]) -> list[SegmentTables]:
    ends = [0, *borders, reader.facts.frames]
    segments = [Segment(start, stop) for start, stop in pairwise(ends)]
    return [harvest_segment("m", reader, segment, models, CONFIG, THRESHOLD) for segment in segments]


def same_bytes(parts: list[SegmentTables], whole: list[SegmentTables]) -> None:
    assert total_drops(parts) == total_drops(whole)
    assert shards(parts) == shards(whole)


def shards(parts: list[SegmentTables]) -> dict[str, Shard]:
    """What a record says of the movie's shards, the digest of their bytes among it."""
    store = Store("memory://splits")
    return {name: put_shard(store, name, rows, "m", "h") for name, rows in join_segments(parts).items()}


def tables_of(parts: list[SegmentTables]) -> dict[str, pa.Table]:
    return {name: pa.concat_tables(rows) for name, rows in join_segments(parts).items()}


@pytest.fixture(scope="module")
def whole(hamilton: VideoReader, models: FaceModels) -> list[SegmentTables]:
    return harvest(hamilton, models, [])


HAMILTON_SPLITS = [
    pytest.param([20, 82, 211], id="at its cuts"),
    pytest.param([21, 83, 212], id="one frame after its cuts"),
    pytest.param([10, 50, 150, 250], id="inside its shots"),
    pytest.param([100, 120, 140, 160, 180], id="so that whole segments hold no start of a shot"),
    pytest.param([19, 81, 210], id="one frame before its cuts", marks=pytest.mark.slow),
    pytest.param([100, 200], id="at frames that no stride hits", marks=pytest.mark.slow),
    pytest.param([81, 82, 83], id="into segments of one frame around a cut", marks=pytest.mark.slow),
    pytest.param([274], id="at its last frame", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("borders", HAMILTON_SPLITS)
def test_hamilton_split(
    hamilton: VideoReader, models: FaceModels, whole: list[SegmentTables], borders: list[int]
) -> None:
    same_bytes(harvest(hamilton, models, borders), whole)


@pytest.mark.slow
def test_a_photomovie_with_a_dissolve_split_anywhere(photomovie: VideoReader, models: FaceModels) -> None:
    whole = harvest(photomovie, models, [])
    shots = tables_of(whole)["shots"].to_pylist()
    (dissolve,) = [shot for shot in shots if shot["begins"] == "dissolve"]
    first, settled = dissolve["start_frame"], dissolve["settled_frame"]
    assert settled - first > 5
    for border in (first - 1, first, first + 1, (first + settled) // 2, settled, settled + 1, 300):
        same_bytes(harvest(photomovie, models, [border]), whole)


def test_a_long_track_is_embedded_in_parts_each_a_sign_of_life(
    hamilton: VideoReader, models: FaceModels, whole: list[SegmentTables], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one call the faces of a shot of two hours would take gigabytes, and longer than a stall may."""
    monkeypatch.setattr(shot_tracks, "TOGETHER", 4)
    begun: list[str] = []
    calls: list[int] = []
    embed = models.embed

    def counted(chips: np.ndarray) -> np.ndarray:
        calls.append(len(chips))
        return embed(chips)

    @contextmanager
    def stage(name: str) -> Iterator[None]:
        begun.append(name)
        yield

    monkeypatch.setattr(models, "embed", counted)
    again = harvest_segment("m", hamilton, Segment(0, 275), models, CONFIG, THRESHOLD, stage=stage)
    same_bytes([again], whole)
    assert max(calls) == 4
    assert begun.count("embed") == len(calls)


def test_neighbours_agree_on_the_frames_around_their_border(hamilton: VideoReader, models: FaceModels) -> None:
    parts, segments = harvest(hamilton, models, [140]), [Segment(0, 140), Segment(140, 275)]
    context = CONFIG.shots.context
    assert borders_agree([part.digests for part in parts], segments, context)
    shifted = {frame + 1: digest for frame, digest in parts[1].digests.items()}
    assert not borders_agree([parts[0].digests, shifted], segments, context)


def test_a_second_pass_gives_the_same_bytes_from_fresh_models(
    hamilton: VideoReader, pack_folder: Path, whole: list[SegmentTables]
) -> None:
    fresh = load_models(find_pack(str(pack_folder)), DetectConfig())
    same_bytes(harvest(hamilton, fresh, []), whole)


def test_the_tables_of_a_movie_keep_their_promises(hamilton: VideoReader, whole: list[SegmentTables]) -> None:
    tables, drops = tables_of(whole), total_drops(whole)
    assert all(tables[name].schema.equals(SCHEMAS[name]) for name in HARVEST_TABLES)
    ordered = {name: table.sort_by([(key, "ascending") for key in SORT_KEYS[name]]) for name, table in tables.items()}
    shots, tracks, faces, links = (ordered[name] for name in ("shots", "tracks", "faces", "links"))
    assert shots["start_frame"].to_pylist() == [0, 20, 82, 211]
    assert shots["end_frame"].to_pylist() == [20, 82, 211, 275]
    assert tracks["track_id"].to_pylist() == list(range(tracks.num_rows))
    assert tracks["start_frame"].to_pylist() == sorted(tracks["start_frame"].to_pylist())
    assert tracks.num_rows >= 4
    assert links.num_rows >= 4
    assert all(a < b for a, b in zip(links["track_a"].to_pylist(), links["track_b"].to_pylist(), strict=True))
    assert drops["track: short"] > 0
    borders = {shot["shot_id"]: (shot["start_frame"], shot["end_frame"]) for shot in shots.to_pylist()}
    for track in tracks.to_pylist():
        own = faces.filter(pc.equal(faces["track_id"], track["track_id"]))
        start, end = borders[track["shot_id"]]
        assert start <= track["start_frame"] < track["end_frame"] <= end, "no track across a cut"
        assert own["frame"].to_pylist() == list(range(track["start_frame"], track["end_frame"])), "a box on every frame"
        assert track["end_frame"] - track["start_frame"] >= CONFIG.track.seconds * hamilton.facts.fps
        detected = own.filter(own["detected"])
        assert all(frame % CONFIG.stride == 0 for frame in detected["frame"].to_pylist())
        assert detected.num_rows == track["faces"]
        sampled = own.filter(own["embedding"].is_valid())
        assert sampled.num_rows >= min(CONFIG.embed.at_least, detected.num_rows)
        assert sampled["chip"].null_count == 0
        raw = np.stack(sampled["embedding"].to_pylist()).astype(np.float32)
        assert np.asarray(track["embedding"]) @ mean_embedding(raw) == pytest.approx(1, abs=1e-4)
        partners = sum(track["track_id"] in (link["track_a"], link["track_b"]) for link in links.to_pylist())
        assert track["cannot_links"] == partners
