"""ONNX graphs on one device: one core each on the CPU, an error when the GPU that was asked for is not active.

Silent fall-back to the CPU is what people lose days to: onnxruntime only warns, and then runs on the CPU.
"""

import contextlib
import io
from pathlib import Path

import numpy as np
import onnxruntime

from harvest.errors import ModelsError

FOR_CUDA = "pip uninstall -y onnxruntime onnxruntime-gpu && pip install --no-deps onnxruntime-gpu==1.31.1"
"""Both packages fill one folder, so the one must be gone before the other comes, and whatever else needs onnxruntime
would bring it back. The version that is pinned is named, for there are no constraints beside an installed castmine."""
_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


def open_session(graph: Path | bytes, device: str, name: str) -> onnxruntime.InferenceSession:
    """A session of `graph` (called `name` in errors) on `device`, on one thread. Raises ModelsError if not active."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # a process per core beats threads within one: 77 against 68 frames/s on two cores
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    wanted = _PROVIDERS[device]
    if wanted not in onnxruntime.get_available_providers():
        raise ModelsError(_not_active(device, "this build has none"))
    missing = _preload_cuda() if device == "cuda" else ""
    providers = list(dict.fromkeys((wanted, _PROVIDERS["cpu"])))
    source = graph if isinstance(graph, bytes) else str(graph)
    try:
        session = onnxruntime.InferenceSession(source, options, providers=providers)
    except Exception as error:  # onnxruntime's errors share no base class
        raise ModelsError(f"{name}: onnxruntime cannot load it ({error}); is the file whole?") from error
    if session.get_providers()[0] != wanted:
        raise ModelsError(_not_active(device, missing or "the driver or a library is missing"))
    return session


def _preload_cuda() -> str:
    """Loads CUDA and cuDNN from where pip puts them; what could not be loaded, which onnxruntime prints."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        onnxruntime.preload_dlls()
    return said.getvalue().partition("\n")[0]


def _not_active(device: str, reason: str) -> str:
    return (
        f"device {device}: onnxruntime's {_PROVIDERS[device]} is not active ({reason}); "
        f"{FOR_CUDA}; and check the driver with nvidia-smi"
    )


class Network:
    """A graph with one input, run in batches of one fixed size whatever the number of rows given."""

    def __init__(self, graph: Path | bytes, device: str, batch: int, name: str) -> None:
        self.session = open_session(graph, device, name)
        self._batch = batch
        self._input = self.session.get_inputs()[0].name

    def run(self, rows: np.ndarray) -> list[np.ndarray]:
        """Outputs for `rows` (n, …), n > 0, each with n first. The last batch is filled up with zeros, cut off again.

        A batch of one keeps the batch dimension its graph gives as the second: callers reshape to (n, …).
        """
        batches = [rows[start : start + self._batch] for start in range(0, len(rows), self._batch)]
        outputs = [self._run_batch(batch) for batch in batches]
        return [np.concatenate(parts) for parts in zip(*outputs, strict=True)]

    def _run_batch(self, rows: np.ndarray) -> list[np.ndarray]:
        if self._batch == 1:
            return [output[None] for output in self.session.run(None, {self._input: rows})]
        full = np.zeros((self._batch, *rows.shape[1:]), rows.dtype)
        full[: len(rows)] = rows
        return [output[: len(rows)] for output in self.session.run(None, {self._input: full})]
