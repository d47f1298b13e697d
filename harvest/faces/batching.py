"""ONNX graphs that take a batch, made from shipped ones that take a single image, proved equal, and cached.

Unpatched, a graph shipped for one image silently mixes or drops the rest of a batch: so no graph is used in batches
before its outputs for a batch were compared with the shipped graph's, image by image.
"""

import hashlib
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

from harvest.errors import ModelsError
from harvest.storage import cache_folder
from harvest.whole_files import replacing

VERSION = 1
"""Raised when the rewriting changes; part of the cached files' names."""

_PROOF_IMAGES = 3
_PROOF_SIZE = (64, 96)
"""Height and width at which a graph with free sides is tried: multiples of 32, and not square."""
_TOLERANCE = 1e-5
"""Largest difference, relative to the largest output, of a graph taken as equal but not to the last bit."""


def batch_graph(file: Path, *, exact: bool) -> Path:
    """A graph of the same outputs as `file`, with a free batch dimension; made once, kept in the user's cache.

    With `exact` the outputs are equal to the last bit, else to 1e-5 of the largest. Raises ModelsError when the graph
    is not of a kind that is understood, or its outputs differ.
    """
    content = file.read_bytes()
    digest = hashlib.blake2b(content, digest_size=16).hexdigest()
    stem = cache_folder() / f"{file.stem}-{digest}-batch{VERSION}"
    cached = {proof: stem.with_name(f"{stem.name}-{proof}.onnx") for proof in ("exact", "close")}
    known = next((proof for proof, path in cached.items() if path.is_file()), None)
    if known is None:
        graph = with_free_batch(onnx.load_from_string(content), file.name)
        known = _prove(content, graph, file.name)
        _put(cached[known], graph)
    if exact and known != "exact":
        raise ModelsError(
            f"{file.name}: in batches its outputs differ in the last bits on the CPU, "
            f"where batches gain nothing anyway: use --batch 1"
        )
    return cached[known]


def with_free_batch(model: onnx.ModelProto, name: str) -> bytes:
    """The serialised graph with its first input dimension free and its reshapes keeping the batch apart.

    Two kinds of heads fix the batch in shipped graphs: SCRFD's, which moves it behind the places
    (Transpose [2, 3, 0, 1], Reshape [-1, C]), and MobileFaceNet's (Reshape [1, -1] at the end). Raises ModelsError.
    """
    graph = model.graph
    stored = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in stored]
    dims = inputs[0].type.tensor_type.shape.dim
    if len(inputs) != 1 or len(dims) != 4:
        raise ModelsError(f"{name}: cannot be run in batches (its input is not one image); use --batch 1")
    if dims[0].dim_value == 1:
        _free_heads(graph, name)
    dims[0].dim_param = "batch"
    for axis, symbol in ((2, "height"), (3, "width")):
        if not dims[axis].dim_value:  # shipped SCRFD calls both "?", as if they were equal
            dims[axis].dim_param = symbol
    for value in graph.output:
        shape = value.type.tensor_type.shape.dim
        if len(shape) == 2 and shape[0].dim_value == 1:  # a recogniser, whose length is read here
            shape[0].dim_param = "batch"
        else:
            value.type.tensor_type.ClearField("shape")
    del graph.value_info[:]  # shapes inferred for a batch of one
    return bytes(model.SerializeToString())


def _free_heads(graph: onnx.GraphProto, name: str) -> None:
    constants = _constants(graph)
    ends = {value.name for value in graph.output}
    moved = set()
    for node in graph.node:
        if node.op_type == "Transpose" and list(node.attribute[0].ints) == [2, 3, 0, 1]:
            node.attribute[0].ints[:] = [0, 2, 3, 1]
            moved.add(node.output[0])
        elif node.op_type == "Reshape":
            target = constants.get(node.input[1])
            shape = [] if target is None else numpy_helper.to_array(target).tolist()
            if node.input[0] in moved and len(shape) == 2 and shape[0] == -1:
                _replace_shape(graph, node, [0, -1, shape[1]])
            elif node.output[0] in ends and shape == [1, -1]:
                _replace_shape(graph, node, [-1, _declared_length(graph, node.output[0], name)])


def _constants(graph: onnx.GraphProto) -> dict[str, onnx.TensorProto]:
    nodes = {node.output[0]: node.attribute[0].t for node in graph.node if node.op_type == "Constant"}
    return nodes | {tensor.name: tensor for tensor in graph.initializer}


def _replace_shape(graph: onnx.GraphProto, node: onnx.NodeProto, shape: list[int]) -> None:
    # a constant of its own: several reshapes share one, and others may need it as it is
    name = f"{node.output[0]}_batch_shape"
    graph.initializer.append(numpy_helper.from_array(np.array(shape, np.int64), name))
    node.input[1] = name


def _declared_length(graph: onnx.GraphProto, output: str, name: str) -> int:
    value = next(value for value in graph.output if value.name == output)
    dims = value.type.tensor_type.shape.dim
    if len(dims) != 2 or dims[1].dim_value < 1:
        raise ModelsError(f"{name}: cannot be run in batches (length of its output unknown); use --batch 1")
    return int(dims[1].dim_value)


def _prove(shipped: bytes, batched: bytes, name: str) -> str:
    """How outputs for a batch equal those of the shipped graph: "exact" or "close". Raises ModelsError if neither."""
    one, many = (_cpu_session(graph) for graph in (shipped, batched))
    feed, shape = one.get_inputs()[0].name, one.get_inputs()[0].shape
    size = [length if isinstance(length, int) else free for length, free in zip(shape[2:], _PROOF_SIZE, strict=True)]
    images = np.random.default_rng(0).normal(0, 0.5, (_PROOF_IMAGES, shape[1], *size)).astype(np.float32)
    expected = [
        np.stack(parts) for parts in zip(*(one.run(None, {feed: image[None]}) for image in images), strict=True)
    ]
    try:
        outputs = many.run(None, {feed: images})
    except Exception as error:  # onnxruntime's errors share no base class
        raise ModelsError(f"{name}: cannot be run in batches ({error}); use --batch 1") from error
    pairs = list(zip(outputs, expected, strict=True))
    if not all(_close(output, wanted) for output, wanted in pairs):
        raise ModelsError(f"{name}: its outputs in batches differ from those one by one; use --batch 1")
    return "exact" if all(np.array_equal(output.ravel(), wanted.ravel()) for output, wanted in pairs) else "close"


def _close(output: np.ndarray, wanted: np.ndarray) -> bool:
    if len(output) != len(wanted) or output.size != wanted.size:
        return False
    return bool(np.abs(output.ravel() - wanted.ravel()).max() <= _TOLERANCE * np.abs(wanted).max())


def _cpu_session(graph: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _put(path: Path, content: bytes) -> None:
    try:
        with replacing(path) as temporary:
            Path(temporary).write_bytes(content)
    except OSError as error:
        raise ModelsError(f"{path.parent}: graph for batches not kept there ({error}); set XDG_CACHE_HOME") from error
