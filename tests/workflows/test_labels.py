"""`castmine labels import` on a real clip, and what becomes of the labels when the clip is really harvested again."""

from pathlib import Path
from unittest import mock

import pyarrow as pa
import pytest

from harvest.dataset.commit import put_derived_record, put_movie_record
from harvest.dataset.read import Dataset
from harvest.errors import CorpusError
from tests.workflows.conftest import Castmine, Harvested
from workflows import labels as labels_module
from workflows.labels import LabelChange, attach_labels, identities, import_labels


def faces_of(dataset: Dataset, track_id: int) -> list[dict[str, float]]:
    """Time and box of each face of a track, in order."""
    table: pa.Table = dataset.table("faces", "hamilton", ["track_id", "time_s", "x1", "y1", "x2", "y2"])
    return [row for row in table.to_pylist() if row["track_id"] == track_id]


def place(face: dict[str, float], identity: str) -> str:
    return f"hamilton,{face['time_s']:.3f},{face['x1']},{face['y1']},{face['x2']},{face['y2']},{identity}\n"


def tracks(dataset: Dataset) -> list[int]:
    ids: list[int] = dataset.table("tracks", "hamilton")["track_id"].to_pylist()
    return ids


@pytest.fixture
def root(harvested: Harvested, tmp_path: Path) -> Path:
    return harvested.copy(tmp_path)


def test_labels_by_track_name_those_tracks(root: Path) -> None:
    file, dataset = root.parent / "labels.csv", Dataset.open(root)
    file.write_text("movie_id,track_id,identity,flags\nhamilton,0,Ann,glasses blurred\nhamilton,2,Bob,\n")
    assert import_labels(file, dataset) == [LabelChange("hamilton", 2, 0)]
    assert identities(dataset, "hamilton") == {0: "Ann", 2: "Bob"}
    table = dataset.derived("labels", "labels", "hamilton")
    assert table is not None
    assert table["flags"].to_pylist() == [["glasses", "blurred"], []]
    assert [len(anchors) for anchors in table["anchors"].to_pylist()] == [3, 3]


def test_labels_by_place_find_the_tracks_that_are_there(root: Path) -> None:
    file, dataset = root.parent / "labels.csv", Dataset.open(root)
    lines = [place(faces_of(dataset, track)[5], f"person {track}") for track in tracks(dataset)]
    lines.append("hamilton,1.0,1,1,9,9,nobody\n")
    file.write_text("movie_id,time_s,x1,y1,x2,y2,identity\n" + "".join(lines))
    (change,) = import_labels(file, dataset)
    assert (change.attached, change.lost) == (len(lines) - 1, 1)
    (missed,) = change.missed
    said = f"line {len(lines) + 1}: hamilton, 1 s, box 1 1 9 9, 'nobody': no track there (it takes an overlap, IoU, of "
    assert missed.startswith(f"{said}0.5); the nearest is track ")
    assert missed.endswith(", which it overlaps by 0.00")
    assert identities(dataset, "hamilton") == {track: f"person {track}" for track in tracks(dataset)}


def test_a_second_import_replaces_the_first_and_two_identities_on_one_track_leave_it_to_the_first(root: Path) -> None:
    file, dataset = root.parent / "labels.csv", Dataset.open(root)
    for text in ("hamilton,0,Zoe\nhamilton,1,Zoe\n", "hamilton,0,Ann\nhamilton,0,Bob\n"):
        file.write_text(f"movie_id,track_id,identity\n{text}")
        changes = import_labels(file, dataset)
    missed = "line 3: hamilton, track 0, 'Bob': track 0 is 'Ann' by line 2"
    assert changes == [LabelChange("hamilton", 1, 1, (missed,), replaced=2)]
    assert identities(dataset, "hamilton") == {0: "Ann"}


def test_a_file_that_hits_no_track_leaves_the_earlier_labels_as_they_are(castmine: Castmine, root: Path) -> None:
    file, dataset = root.parent / "labels.csv", Dataset.open(root)
    file.write_text("movie_id,track_id,identity\nhamilton,0,Ann\nhamilton,2,Bob\n")
    castmine("labels", "import", file, "-d", root)
    places = "hamilton,1.0,1,1,9,9,nobody\nhamilton,900,1,1,9,9,nobody\n"
    file.write_text(f"movie_id,time_s,x1,y1,x2,y2,identity\n{places}")
    ran = castmine("labels", "import", file, "-d", root, status=1)
    assert ran.out == "labels of hamilton: no row is on a track, 2 earlier labels kept\n"
    assert "failed: 2 rows on no track:" in ran.err
    assert identities(dataset, "hamilton") == {0: "Ann", 2: "Bob"}


def test_rows_on_no_track_are_told_one_by_one_and_so_are_people_who_are_seen_beside_themselves(
    castmine: Castmine, root: Path
) -> None:
    """Frames taken for seconds; and the two of a link are one, says the file: it is the word of a person, and taken."""
    file, dataset = root.parent / "labels.csv", Dataset.open(root)
    link = dataset.table("links", "hamilton").to_pylist()[0]
    a, b = link["track_a"], link["track_b"]
    first = faces_of(dataset, a)[5]
    lines = [place(first, "Ann"), place(faces_of(dataset, b)[5], "Ann"), place(first | {"time_s": 0.0}, "Ann")]
    file.write_text("movie_id,time_s,x1,y1,x2,y2,identity\n\n" + "".join([*lines, place(first, "Ann"), lines[2]]))
    ran = castmine("labels", "import", file, "-d", root, status=1)
    assert "labels of hamilton: 2 on tracks, 2 on no track" in ran.out
    assert f"lines 3, 4, 6: hamilton, 'Ann' is on tracks {a} and {b}, which are seen together from frame " in ran.err
    assert "failed: 2 rows on no track:" in ran.err
    assert [line.split(",")[0] for line in ran.err.splitlines()[-2:]] == [f"{file}: line {n}: hamilton" for n in (5, 7)]
    assert identities(dataset, "hamilton") == {a: "Ann", b: "Ann"}

    file.write_text(f"movie_id,track_id,identity\nhamilton,{a},Ann\nhamilton,{b},Ann\n")
    ran = castmine("labels", "import", file, "-d", root)
    assert ran.err.startswith("warning: 1 pair of tracks of one name that are seen together:\n")


def test_a_place_beyond_the_film_is_told_so_and_not_kept_for_a_harvest_that_could_never_hit_it(
    castmine: Castmine, root: Path
) -> None:
    file, dataset = root.parent / "labels.csv", Dataset.open(root)
    seen = faces_of(dataset, 0)[5]
    lines = [place(seen | {"time_s": time_s}, "Ann") for time_s in (seen["time_s"], 120.0, -1.0)]
    file.write_text("movie_id,time_s,x1,y1,x2,y2,identity\n" + "".join(lines))
    ran = castmine("labels", "import", file, "-d", root, status=1)
    assert ran.out == "labels of hamilton: 1 on tracks\n"
    past, before = ran.err.splitlines()[-2:]
    record = dataset.record("hamilton")
    assert record
    assert past.endswith(f"'Ann': past the end of the film, which is {record.facts.duration_s:.2f} s long")
    assert before.endswith("'Ann': before the film begins")
    table = dataset.derived("labels", "labels", "hamilton")
    assert table is not None
    assert table["track_id"].to_pylist() == [0]


def test_a_file_that_is_not_there_is_told_with_what_it_should_hold(root: Path) -> None:
    with pytest.raises(CorpusError, match=r"none.csv: no such file; a CSV of labels needs .* movie_id, track_id, iden"):
        import_labels(root / "none.csv", Dataset.open(root))


def test_a_place_that_just_misses_a_face_is_told_by_how_much(root: Path) -> None:
    file, dataset = root.parent / "labels.csv", Dataset.open(root)
    seen = faces_of(dataset, 0)[5]
    width = seen["x2"] - seen["x1"]
    beside = seen | {"x1": seen["x1"] + width * 2 / 3, "x2": seen["x2"] + width * 2 / 3}
    file.write_text("movie_id,time_s,x1,y1,x2,y2,identity\n" + place(beside, "Ann"))
    (change,) = import_labels(file, dataset)
    assert change.missed[0].endswith(", which it overlaps by 0.20"), "a third of two boxes, of which 5 thirds are seen"


def test_labels_survive_a_harvest_with_other_tracks_and_what_is_lost_is_said_and_kept(
    castmine: Castmine, harvested: Harvested, root: Path
) -> None:
    """At stride 2 with faces from 60 px on, other and fewer tracks are found, under other numbers."""
    file, before = root.parent / "labels.csv", Dataset.open(root)
    named = {track: f"person {track}" for track in tracks(before)}
    boxes = {track: faces_of(before, track) for track in named}
    file.write_text("movie_id,track_id,identity\n" + "".join(f"hamilton,{t},{who}\n" for t, who in named.items()))
    assert f"{len(named)} on tracks" in castmine("labels", "import", file, "-d", root).out

    command = ("harvest", harvested.corpus, "-d", root, "--models", harvested.models, "--workers", 1)
    said = castmine(*command, "--set", "harvest.stride=2", "--set", "harvest.detect.size_px=45").out
    dataset = Dataset.open(root)
    found = identities(dataset, "hamilton")
    lost = len(named) - len(found)
    assert found
    assert lost > 0
    assert f"labels of hamilton: {len(found)} on tracks, {lost} on no track (kept for the next harvest)" in said
    for track, who in found.items():
        old = {round(face["time_s"], 4): face for face in boxes[int(who.split()[1])]}
        shared = [(old[at], face) for face in faces_of(dataset, track) if (at := round(face["time_s"], 4)) in old]
        assert len(shared) > 10
        assert all(abs(a["x1"] - b["x1"]) < 25 and abs(a["y1"] - b["y1"]) < 25 for a, b in shared), "the same face"

    said = castmine(*command).out
    assert f"labels of hamilton: {len(named)} on tracks" in said
    assert identities(Dataset.open(root), "hamilton") == named


def test_lost_labels_of_one_movie_are_told_and_those_of_the_others_carried_over(
    castmine: Castmine, harvested: Harvested, root: Path
) -> None:
    """Two movies of the same tracks, both harvested since they were labelled; of one the file of labels is gone."""
    file, dataset = root.parent / "labels.csv", Dataset.open(root)
    movie = dataset.record("hamilton")
    assert movie
    put_movie_record(dataset.store, movie.model_copy(update={"movie_id": "another"}))
    file.write_text("movie_id,track_id,identity\nhamilton,0,Ann\nanother,0,Ann\n")
    import_labels(file, dataset)
    for labels in dataset.derived_records("labels"):
        put_derived_record(dataset.store, labels.model_copy(update={"harvest_id": "earlier"}))
        if labels.movie_id == "hamilton":
            dataset.store.delete(labels.shard.path)

    ran = castmine("harvest", harvested.corpus, "-d", root, "--models", harvested.models)
    assert ran.err.startswith("warning: labels of hamilton are not on its new tracks: ")
    assert "labels of another: 1 on tracks\n" in ran.out
    (lost,) = attach_labels(dataset)
    assert lost.movie_id == "hamilton"
    assert lost.not_carried

    file.write_text("movie_id,track_id,identity\nhamilton,0,Bob\n")
    assert import_labels(file, dataset) == [LabelChange("hamilton", 1, 0)]
    labels_now = dataset.derived_record("labels", "labels", "hamilton")
    assert labels_now
    dataset.store.delete(labels_now.shard.path)
    assert import_labels(file, dataset) == [LabelChange("hamilton", 1, 0, replaced=1)], "lost ones can be given again"


@pytest.mark.parametrize("harvest_id", ["the harvest before", "this harvest"])
def test_labels_that_are_imported_while_a_harvest_carries_over_older_ones_stay(root: Path, harvest_id: str) -> None:
    """The import comes while the faces are indexed; it knew the movie as it was, or as it is by now."""
    file, dataset = root.parent / "labels.csv", Dataset.open(root)

    def imported(names: str) -> None:
        file.write_text(
            "movie_id,track_id,identity\n" + "".join(f"hamilton,{t},{name}\n" for t, name in enumerate(names))
        )
        import_labels(file, dataset)

    imported("ab")
    movie, before = dataset.movie("hamilton"), dataset.derived_record("labels", "labels", "hamilton")
    assert before
    put_derived_record(dataset.store, before.model_copy(update={"harvest_id": "earlier"}))
    index = labels_module._index

    def meanwhile(*asked: object) -> object:
        with mock.patch.object(labels_module, "_index", index):
            imported("xyz")
        newer = dataset.derived_record("labels", "labels", "hamilton")
        assert newer
        if harvest_id != "this harvest":
            put_derived_record(dataset.store, newer.model_copy(update={"harvest_id": "earlier"}))
        return index(dataset, movie)

    with mock.patch.object(labels_module, "_index", meanwhile):
        changes = attach_labels(dataset)
    assert changes == ([LabelChange("hamilton", 3, 0)] if harvest_id != "this harvest" else [])
    assert identities(dataset, "hamilton") == {0: "x", 1: "y", 2: "z"}
