"""The published feature releases: small files of their formats, and the real label files."""

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.io

from harvest.bcl_import import read_bcl, read_ids
from harvest.errors import CorpusError
from harvest.imported import ImportedMovie
from harvest.ssiam_import import read_ssiam
from tests.conftest import shared

RNG = np.random.default_rng(0)
BCL = {7: RNG.normal(size=(4, 256)), 11: RNG.normal(size=(2, 256)), 300: RNG.normal(size=(1, 256))}


def bcl(folder: Path, ids: str = "CVHCI_TRACKLABELS_V1\n7 sheldon\n11 penny\n12 raj\n") -> Path:
    video = folder / "features/bbt_s01e01"
    video.mkdir(parents=True)
    (folder / "ids").mkdir()
    (folder / "ids/bbt_s01e01.ids").write_text(ids)
    for track, faces in BCL.items():
        np.save(video / f"{track}.npy", faces.astype(np.float32))
    return folder


def test_bcl_tracks_stand_one_after_another_and_are_never_seen_together(tmp_path: Path) -> None:
    (movie,) = read_bcl(bcl(tmp_path))
    tracks = movie.tables["tracks"]
    assert (movie.movie_id, movie.embedding_size, movie.frames) == ("bbt_s01e01", 256, 7)
    assert tracks["track_id"].to_pylist() == [7, 11, 300]
    assert list(zip(*(tracks[name].to_pylist() for name in ("start_frame", "end_frame")), strict=True)) == [
        (0, 4),
        (4, 6),
        (6, 7),
    ]
    assert tracks["shot_id"].to_pylist() == [0, 1, 2]
    assert movie.tables["links"].num_rows == 0
    assert movie.identities == {7: "sheldon", 11: "penny"}, "300 has no name, 12 no features"
    faces = movie.tables["faces"]
    assert faces["track_id"].to_pylist() == [7] * 4 + [11] * 2 + [300]
    assert np.array(faces["embedding"][4].as_py()) == pytest.approx(BCL[11][0], abs=1e-3)


def test_the_checkout_of_the_release_serves_as_its_folder(tmp_path: Path) -> None:
    bcl(tmp_path / "data")
    assert [movie.movie_id for movie in read_bcl(tmp_path)] == ["bbt_s01e01"]


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_any_float_and_a_single_face_without_its_dimension_are_read(tmp_path: Path, kind: type) -> None:
    folder = bcl(tmp_path)
    for track, faces in BCL.items():
        np.save(folder / f"features/bbt_s01e01/{track}.npy", np.squeeze(faces).astype(kind))
    (movie,) = read_bcl(folder)
    assert movie.tables["tracks"]["faces"].to_pylist() == [4, 2, 1]


def test_the_same_files_have_the_same_hash_and_another_name_another(tmp_path: Path) -> None:
    (first,) = read_bcl(bcl(tmp_path / "a"))
    (again,) = read_bcl(bcl(tmp_path / "b"))
    (renamed,) = read_bcl(bcl(tmp_path / "c", "CVHCI_TRACKLABELS_V1\n7 howard\n"))
    assert first.content_hash == again.content_hash != renamed.content_hash


def test_the_twelve_published_label_files_are_read_as_they_are() -> None:
    files = sorted(shared("bench/published").glob("*.ids"))
    names = {path.stem: read_ids(path) for path in files}
    assert len(names) == 12
    assert sum(map(len, names.values())) == 9740
    assert names["bbt_s01e01"][7] == "sheldon"
    for video, of_video in names.items():
        assert len(of_video) == len((files[0].parent / f"{video}.ids").read_text().split("\n")) - 2, video
    people = Counter(name for video, of_video in names.items() if video.startswith("bbt") for name in of_video.values())
    assert {name for name, _ in people.most_common(5)} == {"sheldon", "leonard", "penny", "howard", "raj"}
    assert len(people) == 103, "as the paper counts the characters of the six episodes"


WRONG_IDS = {
    "no header": ("7 sheldon\n", "does not begin with CVHCI_TRACKLABELS"),
    "no number": ("CVHCI_TRACKLABELS_V1\nseven sheldon\n", "line 2 is 'seven sheldon'"),
    "no name": ("CVHCI_TRACKLABELS_V1\n7\n", "line 2 is '7'"),
    "two names": ("CVHCI_TRACKLABELS_V1\n7 raj\n7 penny\n", "line 3 names track 7 a second time"),
}


@pytest.mark.parametrize(("ids", "said"), WRONG_IDS.values(), ids=WRONG_IDS.keys())
def test_a_broken_label_file_is_named_with_its_line(tmp_path: Path, ids: str, said: str) -> None:
    with pytest.raises(CorpusError, match=said):
        list(read_bcl(bcl(tmp_path, ids)))


def test_what_lacks_of_a_bcl_release_is_said(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="unpack the features of the release there"):
        list(read_bcl(tmp_path))
    folder = bcl(tmp_path / "a")
    (folder / "features/bbt_s01e01/7.npy").write_bytes(b"no array")
    with pytest.raises(CorpusError, match=r"7\.npy: cannot be read as an array"):
        list(read_bcl(folder))
    (folder / "ids/bbt_s01e01.ids").unlink()
    with pytest.raises(CorpusError, match=r"bbt_s01e01\.ids: is missing"):
        list(read_bcl(folder))


def tracks_of(counts: tuple[int, ...]) -> np.ndarray:
    """The struct array of an episode's tracks."""
    fields = [("labelid", "O"), ("numframes", "O"), ("trackerId", "O")]
    return np.array([(3 + n % 2, count, 50 + n) for n, count in enumerate(counts)], dtype=fields)


def ssiam(folder: Path, counts: tuple[int, ...] = (3, 1, 5), together: bool = False, **changed: Any) -> np.ndarray:
    """An episode as MATLAB writes it; returns its features (20, 5, tracks)."""
    folder.mkdir(parents=True, exist_ok=True)
    features = np.random.default_rng(1).normal(size=(20, 5, len(counts))).astype(np.float32)
    variables = {"features_vgg": features, "Tracks": tracks_of(counts)} | changed
    if together:
        scipy.io.savemat(folder / "buffy_s05e02.mat", variables)
    else:
        scipy.io.savemat(folder / "bbt_s01e01_features_VGG2.mat", {"features_vgg": variables["features_vgg"]})
        (folder / "bbt").mkdir()
        scipy.io.savemat(folder / "bbt/bbt_s01e01.mat", {"Tracks": variables["Tracks"]})
    return features


def newer(path: Path, **variables: np.ndarray) -> None:
    """The variables as MATLAB writes them with -v7.3: HDF5 behind a header, dimensions reversed, fields references."""
    with h5py.File(path, "w", userblock_size=512) as file:
        refs = file.create_group("#refs#")
        for name, array in variables.items():
            if array.dtype.names is None:
                file.create_dataset(name, data=array.T, chunks=True, compression="gzip")
                continue
            struct = file.create_group(name)
            for field in array.dtype.names:
                values = [np.full((1, 1), float(value)) for value in array[field]]
                kept = [refs.create_dataset(f"{name} {field} {n}", data=each) for n, each in enumerate(values)]
                if len(kept) == 1:
                    struct.create_dataset(field, data=values[0])
                else:
                    struct.create_dataset(field, data=[[each.ref] for each in kept], dtype=h5py.ref_dtype)
    with path.open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")


@pytest.mark.parametrize("counts", [(3, 1, 5), (4,)], ids=["three tracks", "one track"])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_an_episode_saved_by_version_7_3_is_the_same_movie(tmp_path: Path, counts: tuple[int, ...], kind: type) -> None:
    features = ssiam(tmp_path / "earlier", counts)
    (tmp_path / "newer").mkdir()
    newer(tmp_path / "newer/bbt_s01e01_features_VGG2.mat", features_vgg=dropped(features.astype(kind)))
    newer(tmp_path / "newer/bbt_s01e01.mat", Tracks=tracks_of(counts))
    (earlier,), (later,) = read_ssiam(tmp_path / "earlier"), read_ssiam(tmp_path / "newer")
    assert tables_and_names(earlier) == tables_and_names(later)


def dropped(array: np.ndarray) -> np.ndarray:
    """As MATLAB keeps it: without a last dimension of 1."""
    return array[..., 0] if array.shape[-1] == 1 else array


def tables_and_names(movie: ImportedMovie) -> tuple[Any, ...]:
    return movie.movie_id, movie.identities, movie.embedding_size, movie.tables


def test_ssiam_episodes_are_put_together_from_their_two_files(tmp_path: Path) -> None:
    features = ssiam(tmp_path)
    (movie,) = read_ssiam(tmp_path)
    assert (movie.movie_id, movie.embedding_size, movie.frames) == ("bbt_s01e01", 20, 9)
    assert movie.tables["tracks"]["faces"].to_pylist() == [3, 1, 5]
    assert movie.identities == {0: "label 3", 1: "label 4", 2: "label 3"}
    assert movie.tables["links"].num_rows == 0
    embeddings = np.array(movie.tables["faces"]["embedding"].to_pylist())
    assert embeddings == pytest.approx(np.concatenate([features[:, :3, 0].T, features[:, :1, 1].T, features[..., 2].T]),
                                       abs=2e-3)  # fmt: skip


def test_one_file_with_both_and_a_single_track_are_read_too(tmp_path: Path) -> None:
    ssiam(tmp_path, counts=(4,), together=True)
    (movie,) = read_ssiam(tmp_path)
    assert (movie.movie_id, movie.tables["faces"].num_rows) == ("buffy_s05e02", 4)


WRONG_SSIAM: dict[str, tuple[dict[str, Any], str]] = {
    "other tracks": ({"counts": (3, 1), "features_vgg": np.ones((20, 5, 3))}, "does not fit the 2 tracks"),
    "more frames than features": ({"counts": (3, 9, 1)}, "numframes from 1 to 9, features have 5"),
    "a field less": (
        {"Tracks": np.array([(3,)] * 3, dtype=[("labelid", "O")])},
        "cannot be read as Tracks.numframes, a number",
    ),
    "text for a number": (
        {"Tracks": np.array([("a", 3)] * 3, dtype=[("labelid", "O"), ("numframes", "O")])},
        "cannot be read as Tracks.labelid, a number",
    ),
    "half a frame": (
        {"Tracks": np.array([(3, 2.5)] * 3, dtype=[("labelid", "O"), ("numframes", "O")])},
        "Tracks.numframes, a number for each of Tracks .not whole",
    ),
    "frames without end": (
        {"Tracks": np.array([(3, np.inf)] * 3, dtype=[("labelid", "O"), ("numframes", "O")])},
        "Tracks.numframes, a number for each of Tracks .*infinity",
    ),
    "features that are no array": (
        {"features_vgg": "a text"},
        "cannot be read as features_vgg, an array of three dimensions",
    ),
}


@pytest.mark.parametrize(("changed", "said"), WRONG_SSIAM.values(), ids=WRONG_SSIAM.keys())
def test_an_episode_that_does_not_fit_together_is_named(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    ssiam(tmp_path, **changed)
    with pytest.raises(CorpusError, match=said):
        list(read_ssiam(tmp_path))


STRUCTS = {
    "bbt_s01e01_features_VGG2.mat": ("features_vgg", "features_vgg, an array of three dimensions"),
    "bbt_s01e01.mat": ("Tracks/numframes", "Tracks.numframes, a number for each of Tracks"),
}


@pytest.mark.parametrize("name", STRUCTS)
def test_a_struct_where_numbers_should_be_is_named(tmp_path: Path, name: str) -> None:
    newer(tmp_path / "bbt_s01e01_features_VGG2.mat", features_vgg=ssiam(tmp_path / "earlier"))
    newer(tmp_path / "bbt_s01e01.mat", Tracks=tracks_of((3, 1, 5)))
    shutil.rmtree(tmp_path / "earlier")
    (variable, said) = STRUCTS[name]
    with h5py.File(tmp_path / name, "a") as file:
        del file[variable]
        file.create_group(variable)
    with pytest.raises(CorpusError, match=f"{name}: cannot be read as {said} .*no attribute"):
        list(read_ssiam(tmp_path))


def test_what_lacks_of_an_ssiam_release_is_said(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="unpack the release there"):
        list(read_ssiam(tmp_path))
    ssiam(tmp_path)
    (tmp_path / "bbt/bbt_s01e01.mat").unlink()
    with pytest.raises(CorpusError, match="bbt_s01e01 has only features_vgg"):
        list(read_ssiam(tmp_path))


@pytest.mark.parametrize("newest", [False, True], ids=["version 5", "version 7.3"])
@pytest.mark.parametrize("left", [0, 60, 700, 2500])
def test_a_file_that_is_cut_short_is_named(tmp_path: Path, left: int, newest: bool) -> None:
    features = ssiam(tmp_path)
    path = tmp_path / "bbt_s01e01_features_VGG2.mat"
    if newest:
        newer(path, features_vgg=features)
    else:
        scipy.io.savemat(path, {"features_vgg": features}, do_compression=True)
    content = path.read_bytes()
    assert len(content) > left or not newest
    path.write_bytes(content[: min(left, len(content) - 20)])
    with pytest.raises(CorpusError, match=r"bbt_s01e01_features_VGG2\.mat: cannot be read as"):
        list(read_ssiam(tmp_path))


def test_features_of_two_networks_are_not_taken_for_one(tmp_path: Path) -> None:
    ssiam(tmp_path)
    (tmp_path / "bbt_s01e01_features_VGG2.mat").rename(tmp_path / "bbt_s01e01_features_VGG1.mat")
    ssiam(tmp_path / "again")
    with pytest.raises(CorpusError, match=r"VGG1\.mat: has features_vgg of an episode of which .*VGG2\.mat has them"):
        list(read_ssiam(tmp_path))
