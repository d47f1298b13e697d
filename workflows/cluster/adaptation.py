"""A movie's adaptation kept in its dataset: done once, gone on with after a kill, and no other movie's business.

What was fitted lies in one safetensors file that a record names (the record's put is the commit); the state of an
unfinished one waits in the movie's staging folder.
"""

import hashlib
import json
import time
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from cluster.adapt import ADAPTATIONS
from cluster.adapt.adapted import Adapted, Chips, Keeper, Start
from cluster.adapt.ball import ball
from cluster.config import NEED_CHIPS, NEED_MODEL
from cluster.tracks import Faces
from harvest.dataset.commit import now, put_derived_record
from harvest.dataset.read import Dataset
from harvest.dataset.records import (
    DerivedRecord,
    MovieRecord,
    Shard,
    derived_file_path,
    file_name,
    staging_folder,
)
from harvest.dataset.store import Store
from harvest.errors import ConfigError, DatasetError, ModelsError
from harvest.faces.packs import find_pack
from harvest.tracks import read_chips
from train.embedding import NetworkEmbedding
from train.fit import FitState
from train.registry import load_model
from workflows.cluster.job import ClusterJob, adapted_name

KIND = "adaptations"
NUMBERS = "numbers"
"""Key of the JSON in a safetensors header."""


@dataclass(frozen=True)
class KeptAdaptation:
    """An adaptation as it lies in the dataset."""

    adapted: Adapted
    seconds: float
    """Of a core, when it was done."""


def adapted_movie(
    dataset: Dataset, movie: MovieRecord, faces: Faces, cannot_link: np.ndarray, job: ClusterJob
) -> KeptAdaptation:
    """What was fitted to the movie before by the same config to the same faces, else what is fitted now.

    The outputs are those of the file in either case, rounded to half floats as all embeddings of a dataset are.
    """
    key = _key(movie, job)  # of the section, whose name ends at the first hyphen
    return _read(dataset, movie, key, job) or _made(dataset, movie, faces, cannot_link, key, job)


def _made(
    dataset: Dataset, movie: MovieRecord, faces: Faces, cannot_link: np.ndarray, key: str, job: ClusterJob
) -> KeptAdaptation:
    """Raises DatasetError where it cannot be kept."""
    assert job.adapt is not None
    waiting = _Waiting(dataset, movie.movie_id, f"{staging_folder(movie.movie_id)}/adapt-{key}.safetensors")
    state, spent = waiting.load()
    every = job.config.cluster.adapt.keep_every_s
    began = time.process_time() - spent  # of this core: a busy machine does not stretch it
    keeper = Keeper(state, lambda reached: waiting.keep(reached, time.process_time() - began, every))
    torch.set_num_threads(1)  # the task declares one core
    config = job.config.cluster.adapt
    chips = _chips(dataset, movie, config.selfdistill.pack) if job.adapt in NEED_CHIPS else None
    fit = partial(ball, start=_start(job)) if job.adapt in NEED_MODEL else ADAPTATIONS[job.adapt]
    adapted = fit(faces, cannot_link, config, keeper, chips)
    _commit(dataset.store, movie, adapted, {"key": key, "seconds": round(time.process_time() - began, 2)}, job)
    dataset.store.delete(waiting.path)
    kept = _read(dataset, movie, key, job, forced=True)
    if kept is None:
        dataset.movie(movie.movie_id)  # forgotten, most likely
        raise DatasetError(
            f"{movie.movie_id}: what was fitted to it was replaced at once by another run; cluster it again"
        )
    return kept


def _start(job: ClusterJob) -> Start:
    """Raises ConfigError where the model is none of ball cluster learning."""
    assert job.model is not None
    model = load_model(job.model)
    if not isinstance(model.embedding, NetworkEmbedding) or model.card.squared_radius is None:
        raise ConfigError(f"{model.name}: no model of ball cluster learning, which ball fine-tunes; train one as bcl")
    return Start(model.embedding.network, model.card.squared_radius)


def _chips(dataset: Dataset, movie: MovieRecord, pack: str | None) -> Chips:
    """Raises ModelsError where the pack is not to be found or is another, DatasetError where no chips are stored."""
    found = find_pack(pack or movie.models)
    if found.hash != movie.models_hash:
        raise ModelsError(
            f"{movie.movie_id}: was harvested by another pack than {found.name}; "
            "name the one with --set cluster.adapt.selfdistill.pack=FOLDER"
        )
    if found.family != "insightface":
        raise ModelsError(f"pack {found.name}: its network cannot be trained; use --adapt selfdistill")
    return Chips(read_chips(dataset, movie), found.files[-1])


@dataclass
class _Waiting:
    """The state of an unfinished adaptation."""

    dataset: Dataset
    movie_id: str
    path: str
    written: float = field(default_factory=time.monotonic)

    def load(self) -> tuple[FitState | None, float]:
        """The state and the seconds spent on it; none where there is none or it cannot be read: then it is redone."""
        if not self.dataset.store.exists(self.path):
            return None, 0.0
        try:
            tensors, numbers = _opened(self.dataset.store.get(self.path))
        except (SafetensorError, ValueError, KeyError, FileNotFoundError):
            return None, 0.0
        return FitState(tensors, numbers["state"]), numbers["seconds"]

    def keep(self, state: FitState, seconds: float, every: float) -> None:
        """Put the state in place of the last one, if that is old enough; nothing stays of a movie forgotten meanwhile.

        Raises DatasetError where it was, as `Dataset.movie`.
        """
        if time.monotonic() - self.written >= every:
            self.dataset.store.put(self.path, _packed(state.tensors, {"state": state.numbers, "seconds": seconds}))
            self.written = time.monotonic()
            try:
                self.dataset.movie(self.movie_id)
            except DatasetError:
                self.dataset.store.delete(self.path)
                raise


def _key(movie: MovieRecord, job: ClusterJob) -> str:
    """Of all that decides what comes out."""
    adapt = job.config.cluster.adapt
    decisive = {
        "harvest": movie.harvest_id,
        "model": job.model_digest,
        "adapt": job.adapt,
        "config": getattr(adapt, (job.adapt or "").partition("-")[0]).model_dump(mode="json", exclude={"pack"}),
        "seed": adapt.seed,
        "castmine": version("castmine"),
    }
    return hashlib.blake2b(json.dumps(decisive, sort_keys=True).encode(), digest_size=12).hexdigest()


def _commit(store: Store, movie: MovieRecord, adapted: Adapted, numbers: dict[str, Any], job: ClusterJob) -> None:
    """The file, then the record that makes it count."""
    tensors = {f"weights.{name}": tensor.contiguous() for name, tensor in adapted.weights.items()}
    tensors["counts"] = torch.tensor([len(outputs) for outputs in adapted.student])
    tensors["unknown"] = torch.from_numpy(adapted.unknown)
    for name, outputs in (("student", adapted.student), ("teacher", adapted.teacher)):
        if outputs:
            tensors[name] = torch.from_numpy(np.concatenate(outputs).astype(np.float16))
    content = _packed(tensors, {"notes": adapted.notes, "curve": adapted.curve})
    digest, run = hashlib.blake2b(content, digest_size=16).hexdigest(), _run(job)
    path = derived_file_path(KIND, movie.movie_id, f"{file_name(run)[:80]}-{movie.harvest_id}-{digest}.safetensors")
    store.put(path, content)
    record = DerivedRecord(
        table=KIND,
        run=run,
        movie_id=movie.movie_id,
        harvest_id=movie.harvest_id,
        shard=Shard(path=path, rows=sum(map(len, adapted.student)), bytes=len(content), digest=digest),
        notes=numbers | {"notes": adapted.notes, "curve": adapted.curve},
        created_at=now(),
    )
    put_derived_record(store, record)


def _read(
    dataset: Dataset, movie: MovieRecord, key: str, job: ClusterJob, forced: bool = False
) -> KeptAdaptation | None:
    """What is kept under this key; None: nothing, or a file that is damaged or gone, or it is to be done anew."""
    record = dataset.derived_record(KIND, _run(job), movie.movie_id)
    if record is None or record.notes.get("key") != key or (job.force and not forced):
        return None
    try:
        content = dataset.store.get(record.shard.path)
    except FileNotFoundError:
        return None
    if hashlib.blake2b(content, digest_size=16).hexdigest() != record.shard.digest:
        return None
    tensors, numbers = _opened(content)
    ends = np.cumsum(tensors["counts"].numpy())[:-1]
    student, teacher = (
        tuple(np.split(tensors[name].numpy().astype(np.float64), ends)) if name in tensors else None
        for name in ("student", "teacher")
    )
    adapted = Adapted(student or (), teacher, tensors["unknown"].numpy(), tuple(numbers["curve"]), numbers["notes"])
    return KeptAdaptation(adapted, record.notes["seconds"])


def _run(job: ClusterJob) -> str:
    return adapted_name(job.model_name, job.adapt)


def _packed(tensors: dict[str, torch.Tensor], numbers: dict[str, Any]) -> bytes:
    packed: bytes = save(tensors, metadata={NUMBERS: json.dumps(numbers)})
    return packed


def _opened(content: bytes) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    length = int.from_bytes(content[:8], "little")
    return load(content), json.loads(json.loads(content[8 : 8 + length])["__metadata__"][NUMBERS])
