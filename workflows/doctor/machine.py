"""Checks of this machine: Python and packages, decoders, onnxruntime, torch, memory, Ray."""

import os
import platform
import shutil
import sys
import tempfile
import time
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from re import match

from workflows.config import Config
from workflows.doctor.finding import Finding

LEAST_FREE_GB = 5.0
"""Free disk below which the doctor speaks up: Ray's session folder alone takes 1 GB in a long run †."""


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
        remedy = "pip install -c infra/constraints.txt castmine"
        return [python, Finding("packages", "broken", f"not installed: {', '.join(missing)}", remedy)]
    return [python, Finding("packages", "works", f"castmine {version('castmine')} and {len(names)} it needs")]


def decoders() -> list[Finding]:
    """The two decoders, loaded."""
    found = []
    for module, package in (("decord", "decord"), ("av", "av"), ("cv2", "opencv-python")):
        import_module(module)
        found.append(f"{package} {version(package)}")
    return [Finding("decoders", "works", ", ".join(found))]


def inference(config: Config) -> list[Finding]:
    """onnxruntime, and whether it has the device that is asked for."""
    import onnxruntime

    from harvest.faces.sessions import FOR_CUDA

    both = _installed("onnxruntime") and _installed("onnxruntime-gpu")
    providers = [name.removesuffix("ExecutionProvider") for name in onnxruntime.get_available_providers()]
    said = f"{onnxruntime.__version__}: {', '.join(providers)}"
    if both:
        said += "; onnxruntime and onnxruntime-gpu are both installed"
        return [Finding("onnxruntime", "broken", said, f"{FOR_CUDA}, or without a GPU the other alone")]
    if config.run.device == "cuda" and "CUDA" not in providers:
        return [Finding("onnxruntime", "broken", f"{said}; cuda was asked for", f"{FOR_CUDA}; or --device cpu")]
    return [Finding("onnxruntime", "works", said)]


def training(config: Config) -> list[Finding]:
    """torch, and its GPUs."""
    import torch

    gpus = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    found = [Finding("torch", "works", f"{torch.__version__}, {torch.get_num_threads()} threads")]
    if gpus:
        return [*found, Finding("GPU", "works", ", ".join(gpus))]
    needed = config.run.device == "cuda"
    remedy = "check nvidia-smi and the driver; or --device cpu" if needed else ""
    return [*found, Finding("GPU", "broken" if needed else "absent", "torch sees none", remedy)]


def memory_and_disk(config: Config) -> list[Finding]:
    """Whether the workers fit, and where Ray and temporary files lie."""
    workers, each = config.run.workers or os.cpu_count() or 1, config.run.memory_gb
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    said = f"{total:.1f} GiB here; {workers} workers declare {workers} × {each:.1f} GiB"
    fits = total >= workers * each
    advice = "" if fits else f"--workers {max(int(total / each), 1)}, or --set run.memory_gb=…"
    memory = Finding("memory", "works" if fits else "broken", said, advice)
    return [memory, _disk("disk for Ray", Path(tempfile.gettempdir()))]


def ray(address: str | None, config: Config) -> list[Finding]:
    """Whether a Ray answers at the address, or starts here."""
    from workflows.ray_cluster import ray_cluster

    where = address or os.environ.get("RAY_ADDRESS")
    began = time.monotonic()
    with ray_cluster(address, config.run.workers):
        import ray as running

        resources, nodes = running.cluster_resources(), [node for node in running.nodes() if node["Alive"]]
        held = f"{resources.get('CPU', 0):.0f} cores, {resources.get('GPU', 0):.0f} GPUs"
        memory = f"{resources.get('memory', 0) / 2**30:.0f} GiB for workers"
        place = f"at {where}, {len(nodes)} nodes" if where else "started here"
        said = f"{running.__version__} {place} in {time.monotonic() - began:.1f} s: {held}, {memory}"
        gpus = resources.get("GPU", 0)
    if config.run.device == "cuda" and gpus < config.run.gpus_per_worker:
        remedy = "give Ray a node with a GPU (on a cluster that starts them on demand, this may be as it should)"
        return [Finding("ray", "broken", f"{said}; cuda was asked for", remedy)]
    return [Finding("ray", "works", said)]


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
