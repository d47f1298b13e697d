"""The recognition network that learns from chips: onnxruntime's own before, and another after, on faces of a clip."""

from itertools import islice
from pathlib import Path

import av
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx.helper import make_graph, make_model, make_node, make_opsetid, make_tensor_value_info
from onnx.numpy_helper import from_array

from cluster.adapt import ADAPTATIONS
from cluster.adapt.adapted import Chips, Keeper
from cluster.adapt.chip_views import ChipViews
from cluster.adapt.recogniser import load_recogniser
from cluster.config import AdaptConfig, SelfDistillConfig
from harvest.chips import from_jpeg, to_jpeg
from harvest.config import DetectConfig
from harvest.errors import ModelsError
from harvest.faces import find_pack, load_models
from tests.cluster.adapt.movies import made_up
from train.fit import FitState

RECOGNISER = "mobilefacenet.onnx"
ONE_EPOCH_EACH = SelfDistillConfig(
    iterations=2, first_epochs=1, later_epochs=1, heads_only_epochs=1, warmup_epochs=0, batch=4, rate=1e-3,
    faces_per_track=2, global_crops=1, local_crops=1,
)  # fmt: skip
CONFIG = AdaptConfig(selfdistill=ONE_EPOCH_EACH)
NONE = np.zeros((0, 2), np.int64)


@pytest.fixture(scope="module")
def models(pack_folder: Path):
    return load_models(find_pack(str(pack_folder)), DetectConfig())


@pytest.fixture(scope="module")
def chips(models, clips: Path) -> np.ndarray:
    """Faces of every 40th frame of a clip."""
    with av.open(str(clips / "tears_of_steel.mp4")) as video:
        frames = [frame.to_ndarray(format="rgb24") for frame in islice(video.decode(video=0), 0, 280, 40)]
    return np.concatenate([models.chips(frame, models.detect([frame])[0].landmarks) for frame in frames])


@pytest.fixture(scope="module")
def stored(chips: np.ndarray, pack_folder: Path) -> Chips:
    """Two tracks of four chips."""
    jpegs = [to_jpeg(chip, 95) for chip in chips[:8]]
    return Chips((tuple(jpegs[::2]), tuple(jpegs[1::2])), pack_folder / RECOGNISER)


def test_as_a_torch_module_it_embeds_real_chips_as_onnxruntime_does(models, chips, pack_folder) -> None:
    recogniser = load_recogniser(pack_folder / RECOGNISER)
    assert len(chips) >= 8
    with torch.no_grad():
        embedded = recogniser.network(recogniser.normalised(chips)).numpy()
    np.testing.assert_allclose(embedded, models.embed(chips), atol=1e-4)
    assert (recogniser.size, recogniser.chip_size) == (models.embedding_size, models.chip_size)


def test_a_batch_norm_of_the_file_keeps_its_statistics_whatever_is_embedded_with_it(tmp_path) -> None:
    file = tmp_path / "with_batch_norm.onnx"
    rng = np.random.default_rng(0)
    shapes = {"kernel": (2, 3, 8, 8), "scale": (2,), "shift": (2,), "mean": (2,), "variance": (2,), "last": (392, 4)}
    stored = [from_array(rng.random(shape, dtype=np.float32), name) for name, shape in shapes.items()]
    nodes = [
        make_node("Conv", ["faces", "kernel"], ["a"], strides=[8, 8]),
        make_node("BatchNormalization", ["a", "scale", "shift", "mean", "variance"], ["b"]),
        make_node("Flatten", ["b"], ["c"]),
        make_node("Gemm", ["c", "last"], ["embedding"]),
    ]
    faces, embedding = (
        make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in (("faces", ["n", 3, 112, 112]), ("embedding", ["n", 4]))
    )
    graph = make_graph(nodes, "small", [faces], [embedding], stored)
    onnx.save(make_model(graph, opset_imports=[make_opsetid("", 13)], ir_version=8), file)
    chips = torch.rand(3, 3, 112, 112)
    (expected,) = onnxruntime.InferenceSession(file).run(None, {"faces": chips.numpy()})
    found = load_recogniser(file).network
    for rows in (slice(0, 1), slice(0, 3)):
        np.testing.assert_allclose(found(chips[rows]).detach().numpy(), expected[rows], rtol=1e-4)


def test_every_weight_gets_a_gradient(chips, pack_folder) -> None:
    recogniser = load_recogniser(pack_folder / RECOGNISER)
    recogniser.network(recogniser.normalised(chips[:2])).square().sum().backward()
    gradients = [weight.grad for weight in recogniser.network.parameters()]
    assert len(gradients) == 102
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)


def test_a_crop_is_a_chip_of_the_same_size_that_follows_from_the_generator(stored, pack_folder) -> None:
    views = ChipViews(stored.jpegs[0], load_recogniser(pack_folder / RECOGNISER))
    rows = np.array([2, 0])
    crops = views.crops(rows, 3, (0.4, 0.6), torch.Generator().manual_seed(1))
    assert crops.shape == (6, 3, 112, 112)
    torch.testing.assert_close(crops, views.crops(rows, 3, (0.4, 0.6), torch.Generator().manual_seed(1)))
    assert (crops[0] - crops[2]).abs().mean() > 0.05
    whole = views.whole(rows)
    np.testing.assert_allclose(whole[1].permute(1, 2, 0) * 127.5 + 127.5, from_jpeg(stored.jpegs[0][0]), atol=1e-3)
    assert crops.abs().max() < 1.5


def test_the_network_learns_once_its_heads_have_and_goes_on_where_it_was_stopped(stored, pack_folder) -> None:
    before = load_recogniser(pack_folder / RECOGNISER).network.state_dict()
    faces, _, _ = made_up(tracks=2, faces=4)
    states: list[FitState] = []
    adapt = ADAPTATIONS["selfdistill-network"]
    whole = adapt(faces, NONE, CONFIG, Keeper(keep=states.append), stored)
    assert [len(outputs) for outputs in whole.student] == [2, 2]
    assert whole.student[0].shape[1] == 128
    rested, learned = (
        [torch.equal(tensors[f"student.backbone.0.{name}"], weight) for name, weight in before.items()]
        for tensors in (states[0].tensors, whole.weights)
    )
    assert all(rested)
    assert not all(learned)
    resumed = adapt(faces, NONE, CONFIG, Keeper(states[0]), stored)
    for a, b in zip(whole.student, resumed.student, strict=True):
        np.testing.assert_array_equal(a, b)


def test_without_chips_or_a_network_it_says_what_to_use_instead(tmp_path) -> None:
    faces, _, _ = made_up(tracks=2)
    with pytest.raises(ModelsError, match="no chips"):
        ADAPTATIONS["selfdistill-network"](faces, NONE, CONFIG, Keeper())
    (tmp_path / "dlib.onnx").write_bytes(b"no graph")
    with pytest.raises(ModelsError, match="cannot be made a network that learns"):
        load_recogniser(tmp_path / "dlib.onnx")
