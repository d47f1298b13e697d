"""Where a scheduled run finds and puts things: the `corpus` section with what it leaves open filled in."""

from dataclasses import dataclass
from pathlib import Path

from harvest.errors import ConfigError
from workflows.corpus.config import CorpusConfig
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
    """Raises ConfigError where the config does not say enough, or names what a submitted job would lose."""
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
    lasting(corpus.dataset)
    return Places(corpus.movies, corpus.dataset, corpus.models, Path(model) if model else None, Path(sheets))


def _beside(dataset: str, what: str) -> str:
    key = {"model": "corpus.model", "sheets": "corpus.report"}[what]
    if "://" in dataset:
        raise ConfigError(f"{key} is not set, and nothing lies beside {dataset}; name a folder that every node sees")
    return f"{dataset.rstrip('/')}-{what}"
