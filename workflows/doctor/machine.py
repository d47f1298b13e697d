"""Checks of this machine: Python and packages, decoders, onnxruntime, torch, memory, disk."""

import os
import platform
import shutil
import sys
import tempfile
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from re import match

from harvest.installation import install_command
from workflows.config import Config
from workflows.doctor.finding import Finding

LEAST_FREE_GB = 5.0
"""Free disk below which the doctor speaks up: Ray's session folder alone takes 1 GB in a long run †."""
CUDA_ELSEWHERE = "cuda is asked of the machines that work"
"""Of a head that only plans, which is right to have no GPU."""


def packages() -> list[Finding]:
    """Python, and everything castmine needs without an extra."""
    python = Finding("python", "works", f"{platform.python_version()} at {sys.executable}")
    needed = [line for line in requires("castmine") or [] if "extra ==" not in line]
    names = [found.group() for line in needed if (found := match(r"[\w.-]+", line))]
    missing = []
    for name in names:
        try:
            version(name)
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        said = f"not installed: {', '.join(missing)}"
        return [python, Finding("packages", "broken", said, install_command())]
    return [python, Finding("packages", "works", f"castmine {version('castmine')} and {len(names)} it needs")]


def decoders() -> list[Finding]:
    """What reads video, and what cuts and turns its frames, loaded."""
    found = []
    for module, package in (("decord", "decord"), ("av", "av"), ("cv2", "opencv-python")):
        import_module(module)
        found.append(f"{package} {version(package)}")
    return [Finding("decoders", "works", ", ".join(found))]


def inference(config: Config, elsewhere: bool = False) -> list[Finding]:
    """onnxruntime, and whether it has the device that is asked for. `elsewhere`: the work is done by other machines."""
    import onnxruntime

    from harvest.faces.sessions import FOR_CUDA

    both = _installed("onnxruntime") and _installed("onnxruntime-gpu")
    providers = [name.removesuffix("ExecutionProvider") for name in onnxruntime.get_available_providers()]
    said = f"{onnxruntime.__version__}: {', '.join(providers)}"
    if both:
        said += "; onnxruntime and onnxruntime-gpu are both installed"
        return [Finding("onnxruntime", "broken", said, f"{FOR_CUDA}, or without a GPU the other alone")]
    if config.run.device == "cuda" and "CUDA" not in providers:
        if elsewhere:
            return [Finding("onnxruntime", "note", f"{said} on this machine; {CUDA_ELSEWHERE}")]
        return [Finding("onnxruntime", "broken", f"{said}; cuda was asked for", f"{FOR_CUDA}; or --device cpu")]
    return [Finding("onnxruntime", "works", said)]


def training(config: Config, elsewhere: bool = False) -> list[Finding]:
    """torch, and its GPUs. `elsewhere`: as in `inference`."""
    import torch

    gpus = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    found = [Finding("torch", "works", f"{torch.__version__}, {torch.get_num_threads()} threads")]
    if gpus:
        return [*found, Finding("GPU", "works", ", ".join(gpus))]
    needed = config.run.device == "cuda"
    if needed and elsewhere:
        return [*found, Finding("GPU", "note", f"torch sees none on this machine; {CUDA_ELSEWHERE}")]
    remedy = "check nvidia-smi and the driver; or --device cpu" if needed else ""
    return [*found, Finding("GPU", "broken" if needed else "absent", "torch sees none", remedy)]


def memory(config: Config) -> list[Finding]:
    """Whether the workers fit into this machine."""
    workers, each = config.run.workers or os.cpu_count() or 1, config.run.memory_gb
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    said = f"{total:.1f} GiB here; {workers} workers declare {workers} × {each:.1f} GiB"
    fits = total >= workers * each
    advice = "" if fits else f"--workers {max(int(total / each), 1)}, or --set run.memory_gb=…"
    return [Finding("memory", "works" if fits else "broken", said, advice)]


def disk() -> list[Finding]:
    """Where Ray and temporary files lie."""
    return [_disk("disk for Ray", Path(tempfile.gettempdir()))]


def _disk(what: str, folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free / 2**30
    enough = free >= LEAST_FREE_GB
    remedy = "" if enough else "free some space: a full disk ends a run"
    return Finding(what, "works" if enough else "broken", f"{free:.1f} GiB free in {folder}", remedy)


def _installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True
