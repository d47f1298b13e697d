"""A recipe of train/presets.py from a mined corpus to what it learned: checkpoints, the fit, the state it left."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from harvest.dataset.read import Dataset
from harvest.errors import CastmineError, TooLittleDataError
from harvest.tracks import count_embedded
from train.checkpoint import Checkpoints
from train.config import TrainConfig
from train.embedding import NetworkEmbedding, embedding_of
from train.fit import FitState
from train.networks import build_network
from train.presets import Recipe, recipe
from train.subspace import fit_subspace, refuse_too_little
from workflows.config import RunConfig
from workflows.labels import RUN as LABELS
from workflows.train.corpus import Corpus, Learned, Show
from workflows.train.memory import fitting_gb
from workflows.train.refusal import telling_sides
from workflows.train.rows import Extent
from workflows.train.workers import EXTENT, FitJob, fitted, run_fit


def learn(corpus: Corpus, name: str, out: Path, run: RunConfig, resume: bool, show: Show) -> Learned:
    """Train the network of the recipe `name` and measure the movies as it embeds them.

    Checkpoints lie in the hidden folder beside `out` until `forget`.
    """
    chosen, config = recipe(name), corpus.config
    if not chosen.identities:
        with telling_sides(corpus.split, len(corpus.records)):
            refuse_too_little(corpus.total(corpus.base, corpus.split.train).sums, config.subspace)
    size, memory_gb = corpus.movie.embedding_size, _memory_gb(corpus, chosen, run)
    checkpoints = Checkpoints(_folder(out))
    job = FitJob(corpus.root, name, config, corpus.split, size, run.device, checkpoints.folder, memory_gb)
    checkpoints.begin(_settings(corpus, name), resume)
    try:
        run_fit(job, run, lambda: _show(checkpoints, config, show))
    except CastmineError:
        if not checkpoints.numbers():  # there is nothing to go on from
            checkpoints.remove()
        raise
    state = checkpoints.load()
    if state is None:
        raise CastmineError(
            f"{checkpoints.folder}: holds nothing of the training; name as --out a folder on storage that all nodes see"
        )
    embedding = embedding_of(_network(chosen, config, size, state))
    seen = Extent(**state.numbers[EXTENT])
    notes = _fallbacks(config, seen, state)
    adapted = corpus.measure(embedding)
    if config.subspace.on_top:
        try:
            subspace = fit_subspace(corpus.total(adapted, corpus.split.train).sums, config.subspace)
            embedding = NetworkEmbedding(embedding.network, subspace)
            adapted = corpus.measure(embedding)
        except TooLittleDataError as error:
            notes += (f"the closed form on top of the network is left out: {error}",)
    return Learned(embedding, adapted, _facts(seen, state), notes)


def forget(out: Path) -> None:
    """Take away the checkpoints: the model is there."""
    Checkpoints(_folder(out)).remove()


def _folder(out: Path) -> Path:
    out = out.absolute()
    return out.parent / f".{out.name}.training"


def _memory_gb(corpus: Corpus, chosen: Recipe, run: RunConfig) -> float:
    """Of a worker, which reads all rows for itself: every face of the training movies, or what was mined of all; no
    more than the machines have for all workers at once, which Ray would wait for without end."""
    from workflows.ray_cluster import share_gb

    if chosen.identities:
        dataset, learned = Dataset.open(corpus.root), set(corpus.split.train)
        rows = sum(count_embedded(dataset, record) for record in corpus.records if record.movie_id in learned)
    else:
        rows = sum(measured.sums.tracks for measured in corpus.base.values()) * corpus.config.mining.views
    return min(fitting_gb(rows * corpus.movie.embedding_size), share_gb(run.workers or 1))


def _settings(corpus: Corpus, name: str) -> dict[str, Any]:
    """All that the final weights follow from, but for the number of workers, which changes nothing."""
    sides = dict.fromkeys(corpus.split.train, "train") | dict.fromkeys(corpus.split.validation, "validation")
    labels = {"labels": _labels(corpus)} if recipe(name).identities else {}
    return {
        "method": name,
        "train": corpus.config.model_dump(mode="json"),
        "movies": {record.movie_id: record.harvest_id for record in corpus.records},
        "split": sides,
        "castmine": version("castmine"),
        **labels,
    }


def _labels(corpus: Corpus) -> dict[str, str]:
    """Digest of the labels of every training movie that has some; those of an earlier harvest are not learned from."""
    harvests = {one.movie_id: one.harvest_id for one in corpus.records if one.movie_id in corpus.split.train}
    found = Dataset.open(corpus.root).derived_records(LABELS, LABELS)
    return {one.movie_id: one.shard.digest for one in found if harvests.get(one.movie_id) == one.harvest_id}


def _network(chosen: Recipe, config: TrainConfig, size: int, state: FitState) -> Any:
    """The network with its best weights, those of the last epoch where nothing validated."""
    network = build_network(config.network, size, config.mining.views if chosen.branches else 0)
    prefix = "best.network." if any(name.startswith("best.") for name in state.tensors) else "network."
    network.load_state_dict(
        {name.removeprefix(prefix): tensor for name, tensor in state.tensors.items() if name.startswith(prefix)}
    )
    return network


def _facts(seen: Extent, state: FitState) -> dict[str, Any]:
    b_hat = state.tensors.get("best.loss.b_hat")
    return {
        "curve": tuple(state.numbers["history"]),
        "train_identities": seen.classes,
        "validation_identities": seen.held_back,
        "squared_radius": None if b_hat is None else float(torch.nn.functional.softplus(b_hat)),
    }


def _fallbacks(config: TrainConfig, seen: Extent, state: FitState) -> tuple[str, ...]:
    """What the corpus was too small for, and what was done instead."""
    rows, notes = seen.rows, []
    used, repeats = fitted(config.fit, rows)
    if used.batch < config.fit.batch:
        notes.append(f"a batch holds the {rows} rows that there are, not {config.fit.batch}")
    if repeats > 1:
        notes.append(f"an epoch goes {repeats} times through the {rows} rows, to have {config.fit.epoch_steps} steps")
    if not seen.validates:
        notes.append(f"no validation movie, so training did not stop before its {config.fit.epochs} epochs")
    elif len(state.numbers["history"]) >= config.fit.epochs and state.numbers["history"][-1]["best"]:
        notes.append(f"the last epoch, {config.fit.epochs}, was the best, so more might do better: train.fit.epochs")
    return tuple(notes)


def _show(checkpoints: Checkpoints, config: TrainConfig, show: Show) -> None:
    history = checkpoints.numbers().get("history", [])
    if not history:
        return show(0, config.fit.epochs, "epoch 1")
    last = history[-1]
    reached = f"loss {last['train_loss']:.4f}"
    if last["validation_loss"] is not None:
        reached += f", held out {last['validation_loss']:.4f}"
    elif last["score"] is not None:
        reached += f", NMI held out {last['score']:.4f}"
    return show(len(history), config.fit.epochs, f"epoch {len(history)}, {reached}")
