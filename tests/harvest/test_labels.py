"""What a person said of a face finds it again in whatever tracks a harvest makes; what finds none is kept."""

from collections.abc import Iterable

import pyarrow as pa
import pytest

from harvest.dataset.schema import SCHEMAS
from harvest.labels import Anchor, FaceIndex, Label, attach, from_table, gather, one_identity_a_track, to_table

FPS, WIDTH, HEIGHT = 10.0, 200, 100

Tracks = dict[int, tuple[range, int]]
"""Frames and left edge by track: faces of 20 x 20 px at the top that stand still."""

HARVEST: Tracks = {0: (range(0, 30), 0), 1: (range(0, 30), 100), 2: (range(30, 60), 100)}


def index(tracks: Tracks) -> FaceIndex:
    rows = [
        {"track_id": track, "frame": frame, "time_s": frame / FPS, "x1": x, "y1": 0, "x2": x + 20, "y2": 20}
        for track, (frames, x) in tracks.items()
        for frame in frames
    ]
    return FaceIndex(pa.Table.from_pylist(rows, schema=SCHEMAS["faces"]), WIDTH, HEIGHT, FPS)


def at(frame: float, x: float) -> Anchor:
    return Anchor(frame / FPS, x / WIDTH, 0, (x + 20) / WIDTH, 20 / HEIGHT)


def placed(places: Iterable[tuple[str, Anchor]]) -> list[Label]:
    there = index(HARVEST)
    return [Label(identity, (anchor,), track_id=there.track_at(anchor)) for identity, anchor in places]


def found(labels: Iterable[Label]) -> dict[str, int | None]:
    return {label.identity: label.track_id for label in labels}


@pytest.mark.parametrize(
    ("case", "anchor", "track"),
    [
        ("on the face", at(5, 0), 0),
        ("a little beside it", at(5, 6), 0),
        ("too far beside it", at(5, 8), None),
        ("on the other face", at(5, 104), 1),
        ("at the same place later", at(45, 100), 2),
        ("between two frames", at(5.4, 100), 1),
        ("before the movie", at(-3, 0), None),
        ("when nobody is there", at(45, 0), None),
    ],
)
def test_a_place_hits(case: str, anchor: Anchor, track: int | None) -> None:
    assert index(HARVEST).track_at(anchor) == track, case


@pytest.mark.parametrize(
    ("case", "anchor", "tracks", "near"),
    [
        ("beside a face that is seen then", at(5, 30), HARVEST, (0, at(5, 0))),
        ("nearer to the other one", at(5, 70), HARVEST, (1, at(5, 100))),
        ("when nobody is seen, the face nearest in time", at(70, 0), HARVEST, (2, at(59, 100))),
        ("before the movie, the nearer of two", at(-9, 90), HARVEST, (1, at(0, 100))),
        ("in a movie without a face", at(5, 0), {}, None),
    ],
)
def test_a_place_that_hits_no_track_is_nearest_to(
    case: str, anchor: Anchor, tracks: Tracks, near: tuple[int, Anchor] | None
) -> None:
    assert index(tracks).track_at(anchor) is None
    assert index(tracks).nearest(anchor) == near, case


def test_where_the_frame_rate_varies_the_nearest_face_may_be_far_off_in_time() -> None:
    """A camera that drops to a frame every 0.8 s in the dark: most moments lie far from any."""
    rows = [
        {"track_id": 4, "frame": frame, "time_s": time_s, "x1": x, "y1": 0, "x2": x + 20, "y2": 20}
        for frame, (time_s, x) in enumerate([(0.0, 0), (0.1, 0), (0.9, 40), (1.7, 80)])
    ]
    slow = FaceIndex(pa.Table.from_pylist(rows, schema=SCHEMAS["faces"]), WIDTH, HEIGHT, FPS)
    assert slow.track_at(at(6, 40)) == 4
    assert slow.track_at(at(6, 0)) is None, "the face has gone on by then"
    assert slow.track_at(at(20, 80)) is None, "after the track"


def test_a_track_has_three_places_and_a_short_one_fewer() -> None:
    assert [anchor.time_s for anchor in index(HARVEST).anchors_of(0)] == [0.0, 1.4, 2.9]
    assert len(index({0: (range(2), 0)}).anchors_of(0)) == 2
    assert index({0: (range(2), 0)}).anchors_of(7) == ()


@pytest.mark.parametrize(
    ("case", "now", "track"),
    [
        ("the same track under another number", {5: (range(0, 30), 0)}, 5),
        ("a track found a little longer and shifted", {3: (range(0, 33), 4)}, 3),
        ("its longer half, when it was split in two", {0: (range(0, 10), 0), 1: (range(11, 30), 0)}, 1),
        (
            "nothing, when each third is another track",
            {0: (range(9), 0), 1: (range(10, 19), 0), 2: (range(20, 30), 0)},
            None,
        ),
        ("nothing, when the face is not found any more", {0: (range(0, 30), 150)}, None),
        ("nothing, where nobody is found at all", {}, None),
    ],
)
def test_after_a_new_harvest_a_label_lies_on(case: str, now: Tracks, track: int | None) -> None:
    label = Label("Ann", index(HARVEST).anchors_of(0), track_id=0)
    attached = attach([label], index(now))
    assert found(attached) == {"Ann": track}, case
    assert attached[0].anchors == label.anchors, "kept, for the next harvest"


def test_a_lost_label_is_found_again_by_a_later_harvest() -> None:
    lost = attach([Label("Ann", index(HARVEST).anchors_of(0), track_id=0)], index({}))
    assert found(attach(lost, index(HARVEST))) == {"Ann": 0}


def test_labels_of_two_tracks_that_became_one_do_not_both_name_it() -> None:
    labels = [Label("Ann", (at(2, 0),), track_id=0), Label("Bob", (at(12, 0),), track_id=1)]
    assert found(attach(labels, index({0: (range(0, 30), 0)}))) == {"Ann": 0, "Bob": None}
    same = [Label("Ann", (at(2, 0),)), Label("Ann", (at(12, 0),))]
    assert [label.track_id for label in attach(same, index({0: (range(0, 30), 0)}))] == [0, 0]


def test_single_places_become_one_label_a_track_and_identity() -> None:
    places = [("Ann", at(frame, 0)) for frame in range(0, 30, 3)] + [("Bob", at(40, 100)), ("Cyd", at(40, 0))]
    labels = gather(placed(places))
    assert found(labels) == {"Ann": 0, "Bob": 2, "Cyd": None}
    assert {label.identity: len(label.anchors) for label in labels} == {"Ann": 3, "Bob": 1, "Cyd": 1}


def test_single_places_keep_their_flags() -> None:
    both = [Label("Ann", (at(1, 0),), ("glasses",), 0), Label("Ann", (at(2, 0),), ("dark", "glasses"), 0)]
    assert [label.flags for label in gather(both)] == [("glasses", "dark")]


def test_of_two_identities_on_one_track_the_one_with_more_places_has_it() -> None:
    labels = gather(placed([("Bob", at(1, 0)), ("Ann", at(2, 0)), ("Ann", at(3, 0))]))
    assert found(labels) == {"Ann": 0, "Bob": None}


def test_the_first_of_two_labels_keeps_the_track() -> None:
    assert found(one_identity_a_track([Label("Ann", (), track_id=0), Label("Bob", (), track_id=0)])) == {
        "Ann": 0,
        "Bob": None,
    }


def test_labels_are_kept_in_a_table() -> None:
    labels = [Label("Ann", (at(1, 0), at(2, 0)), ("glasses", "occluded"), 3), Label("Bob", (), (), None)]
    table = to_table("m", labels)
    assert table.schema.equals(SCHEMAS["labels"])
    assert from_table(table) == labels
