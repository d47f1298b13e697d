"""What is asked of `castmine cluster`, and whether it goes together."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from cluster.config import ADAPTATION_NAMES, NEED_CHIPS, NEED_MODEL, KFrom
from cluster.methods import METHODS
from harvest.errors import ConfigError
from train.registry import Model
from workflows.cluster.job import BASE, ClusterJob, run_name
from workflows.config import Config


@dataclass(frozen=True)
class ClusterRequest:
    """What is asked of a clustering, as the command's options say it."""

    method: str | None = None
    """None: hac on the pack's own embeddings, hac-expanded through a model: each is the better one there, the
    expansion's numbers having been chosen on the closed form (cluster/config.py)."""
    model: str | None = None
    """Folder of a trained model; None: the pack itself."""
    adapt: str | None = None
    """The adaptation that comes first, if any."""
    k_from: KFrom = "threshold"
    run: str | None = None
    """Name of the clustering; None: of `run_name`."""
    movies: Collection[str] = ()
    """Only these, each an id or several with commas between them; empty: all."""
    force: bool = False
    """Cluster anew what an earlier run of this name has clustered just so."""
    kept: Collection[str] = ()
    """Hashes of packs whose calibrated threshold stays, although the corpus has changed since."""

    def named_method(self) -> str:
        """The method, of which there is one of this name only after `check`."""
        return self.method or ("hac-expanded" if self.model else "hac")

    def check(self) -> None:
        """Raise ConfigError where there is no such method or adaptation, where a method that finds K itself is told
        where to take it from, or where an adaptation and a model do not go together."""
        method, adapt = self.named_method(), self.adapt
        if method not in METHODS:
            raise ConfigError(f"no clustering method {method!r}; there are: {', '.join(METHODS)}")
        if METHODS[method].finds_k and self.k_from != "threshold":
            raise ConfigError(f"{method} finds the number of characters itself: leave out --k-from {self.k_from}")
        if adapt is not None and adapt not in ADAPTATION_NAMES:
            raise ConfigError(f"no adaptation {adapt!r}; there are: {', '.join(ADAPTATION_NAMES)}")
        if adapt in NEED_MODEL and not self.model:
            raise ConfigError(
                f"{adapt} fine-tunes a model of ball cluster learning (preset bcl): name one with --model"
            )
        if adapt in NEED_CHIPS and self.model:
            raise ConfigError(
                f"{adapt} trains the pack's own network, not on top of a model: leave out --model"
                " (of a corpus: clusterings with model: false)"
            )

    def job(self, root: str, config: Config, model: Model | None) -> ClusterJob:
        """Of every movie: which one, and its threshold, are still to be filled in."""
        method = self.named_method()
        return ClusterJob(
            root,
            movie_id="",
            method=method,
            model=str(Path(self.model).absolute()) if self.model else None,  # tasks run in folders of their own
            k_from=self.k_from,
            threshold=None,
            run=self.run or run_name(method, model.name if model else None, self.adapt, self.k_from),
            config=config,
            model_digest=model.card.weights_sha256 if model else "",
            force=self.force,
            adapt=self.adapt,
            model_name=model.name if model else BASE,
            model_takes_faces=bool(model and model.takes_faces),
        )
