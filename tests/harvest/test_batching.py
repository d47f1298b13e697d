"""Graphs for batches: made once, equal to the shipped ones to the last bit, refused where they are not."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from harvest.config import DetectConfig
from harvest.errors import ModelsError
from harvest.faces import batching, find_pack, load_models
from harvest.faces.batching import batch_graph
from tests.harvest.test_faces import six_people


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "castmine"


def graph_file(path: Path, nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray], batch: int | str = 1) -> Path:
    """A graph image (batch, 3, 8, 8) → out (1, 5)."""
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, 3, 8, 8])
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, [batch, 5])
    tensors = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "g", [image], [out], tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(path))
    return path


WEIGHT = np.random.default_rng(0).normal(size=(192, 5)).astype(np.float32)


def test_the_graph_is_made_once_and_found_again(pack_folder: Path, cache: Path) -> None:
    made = batch_graph(pack_folder / "mobilefacenet.onnx", exact=True)
    before = made.stat().st_mtime_ns
    assert batch_graph(pack_folder / "mobilefacenet.onnx", exact=True) == made
    assert made.stat().st_mtime_ns == before
    assert [path.name for path in cache.iterdir()] == [made.name]  # no part of a file left


def test_outputs_in_batches_are_those_one_by_one_to_the_last_bit(pack_folder: Path) -> None:
    pack, frame = find_pack(str(pack_folder)), six_people()
    one, many = (load_models(pack, DetectConfig(), "cpu", batch) for batch in (1, 4))
    frames = [
        frame,
        frame[::2, ::2].copy(),
        frame[::2, ::2, ::-1].copy(),
        *[frame] * 5,
    ]  # two shapes, a last batch not full
    for single, batched in zip(one.detect(frames), many.detect(frames), strict=True):
        assert all(np.array_equal(vars(single)[part], vars(batched)[part]) for part in vars(single))
    chips = one.chips(frame, one.detect([frame])[0].landmarks)
    assert np.array_equal(one.embed(chips), many.embed(chips))


@pytest.mark.parametrize("batch", [1, 3, 8, 64])
def test_an_embedding_does_not_depend_on_its_neighbours(pack_folder: Path, batch: int) -> None:
    one, many = (load_models(find_pack(str(pack_folder)), DetectConfig(), "cpu", size) for size in (1, batch))
    frame = six_people()
    chips = one.chips(frame, one.detect([frame])[0].landmarks)
    alone = np.concatenate([one.embed(chip[None]) for chip in chips])
    together = many.embed(np.resize(chips, (67, *chips.shape[1:])))  # each face at many places of many batches
    assert np.array_equal(together, np.resize(alone, (67, alone.shape[1])))


def test_a_graph_that_takes_batches_already_is_left_as_it_is(tmp_path: Path) -> None:
    nodes = [helper.make_node("Flatten", ["image"], ["flat"]), helper.make_node("MatMul", ["flat", "w"], ["out"])]
    path = graph_file(tmp_path / "dynamic.onnx", nodes, {"w": WEIGHT}, batch="N")
    assert batch_graph(path, exact=False).is_file()


def test_a_graph_that_mixes_the_images_of_a_batch_is_refused(tmp_path: Path, cache: Path) -> None:
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], axes=[0], keepdims=1),
        helper.make_node("Add", ["image", "mean"], ["sum"]),
        helper.make_node("Flatten", ["sum"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["out"]),
    ]
    path = graph_file(tmp_path / "mixes.onnx", nodes, {"w": WEIGHT})
    with pytest.raises(ModelsError, match=r"mixes\.onnx: its outputs in batches differ.*--batch 1"):
        batch_graph(path, exact=False)
    assert not cache.exists()


def test_a_graph_with_a_batch_of_one_written_into_it_is_refused(tmp_path: Path) -> None:
    nodes = [helper.make_node("Reshape", ["image", "s"], ["flat"]), helper.make_node("MatMul", ["flat", "w"], ["out"])]
    path = graph_file(tmp_path / "fixed.onnx", nodes, {"w": WEIGHT, "s": np.array([1, 192])})
    with pytest.raises(ModelsError, match=r"fixed\.onnx: cannot be run in batches"):
        batch_graph(path, exact=False)


def test_a_graph_equal_but_for_the_last_bits_is_for_the_gpu_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = [helper.make_node("Flatten", ["image"], ["flat"]), helper.make_node("MatMul", ["flat", "w"], ["out"])]
    path = graph_file(tmp_path / "close.onnx", nodes, {"w": WEIGHT}, batch="N")
    monkeypatch.setattr(batching, "_prove", lambda *_: "close")
    assert batch_graph(path, exact=False).name.endswith("-close.onnx")
    with pytest.raises(ModelsError, match="last bits"):
        batch_graph(path, exact=True)


def test_a_cache_that_cannot_be_written_is_named(pack_folder: Path, cache: Path) -> None:
    cache.parent.mkdir()
    cache.write_text("a file where the folder should be")
    with pytest.raises(ModelsError, match="XDG_CACHE_HOME"):
        batch_graph(pack_folder / "mobilefacenet.onnx", exact=True)
