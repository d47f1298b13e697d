"""Where a scheduled run finds and puts things: the `corpus` section with what it leaves open filled in."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cluster.config import NEED_MODEL
from harvest.errors import CastmineError, ConfigError
from train.presets import CLOSED_FORM, recipe
from workflows.corpus.config import ClusteringConfig, CorpusConfig
from workflows.submitted import lasting


@dataclass(frozen=True)
class Places:
    """Everything a run reads and writes."""

    movies: str
    dataset: str
    models: str | None
    """None: the dataset's own."""
    model: Path | None
    """None: neither is one trained nor one used."""
    sheets: Path


def find_places(corpus: CorpusConfig) -> Places:
    """Raises ConfigError where the config does not say enough, asks for what no run can do, or names what a submitted
    job would lose."""
    if not corpus.movies or not corpus.dataset:
        lacking = "corpus.movies" if not corpus.movies else "corpus.dataset"
        raise ConfigError(f"{lacking} is not set; write it into the --config file, or give --set {lacking}=…")
    names = [clustering.name for clustering in corpus.clusterings]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ConfigError(f"corpus.clusterings: two are called {twice[0]!r}; give one a name of its own by run: …")
    model = corpus.model or (_beside(corpus.dataset, "model") if corpus.train else None)
    sheets = corpus.report or _beside(corpus.dataset, "sheets")
    for key, place in (("corpus.model", model), ("corpus.report", sheets)):
        if place and "://" in place:
            raise ConfigError(
                f"{key}: {place} is no folder; only movies and dataset may lie in a bucket: name a folder"
            )
        lasting(place)
    if Path(sheets).is_file():
        raise ConfigError(f"corpus.report: {sheets} is a file; name a folder")
    lasting(corpus.dataset)
    _refuse_training(corpus, model)
    for clustering in corpus.clusterings:
        _refuse_clustering(corpus, clustering, model)
    return Places(corpus.movies, corpus.dataset, corpus.models, Path(model) if model else None, Path(sheets))


def _refuse_training(corpus: CorpusConfig, model: str | None) -> None:
    """Raise ConfigError where there is no such method, or its model cannot lie there."""
    if corpus.train is not None and corpus.train != CLOSED_FORM:
        with _told("corpus.train"):
            recipe(corpus.train)
    if model and not corpus.train and not Path(model).is_dir():
        raise ConfigError(f"corpus.model: {model} is not there, and corpus.train, which would make it, is null")
    if model and Path(model).exists():
        from train.registry import refuse_other_folder  # scipy, 0.3 s

        with _told("corpus.model"):
            refuse_other_folder(model)


def _refuse_clustering(corpus: CorpusConfig, clustering: ClusteringConfig, model: str | None) -> None:
    """Raise ConfigError over a clustering that could be done by no run."""
    if not clustering.method and not clustering.adapt:
        return  # what is done where neither is named, there is
    from workflows.cluster.request import ClusterRequest  # scipy

    through = model if clustering.model else None
    with _told(f"corpus.clusterings, {clustering.name}"):
        ClusterRequest(clustering.method, through, clustering.adapt, clustering.k_from).check()
        if clustering.adapt in NEED_MODEL and corpus.train not in (None, "bcl"):
            raise ConfigError(
                f"{clustering.adapt} fine-tunes a model of ball cluster learning: corpus.train must be bcl"
            )


@contextmanager
def _told(where: str) -> Iterator[None]:
    """Name the key over which something is refused."""
    try:
        yield
    except CastmineError as error:
        raise ConfigError(f"{where}: {error}") from error


def _beside(dataset: str, what: str) -> str:
    key = {"model": "corpus.model", "sheets": "corpus.report"}[what]
    if "://" in dataset:
        raise ConfigError(f"{key} is not set, and nothing lies beside {dataset}; name a folder that every node sees")
    return f"{dataset.rstrip('/')}-{what}"
