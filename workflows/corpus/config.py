"""The section `corpus` of the configuration: what a scheduled run works on and what it keeps up to date."""

from pydantic import Field

from cluster.config import KFrom
from harvest.config import Section

PLACES = ("movies", "dataset", "models", "model", "report")
"""Keys of `corpus` that say where something lies."""


class ClusteringConfig(Section):
    """One clustering of every movie, kept under the name of a run."""

    method: str | None = None
    """As `castmine cluster --method` names it; null: hac-expanded through the model, hac while there is none."""
    adapt: str | None = None
    """As `castmine cluster --adapt` names it; null: none."""
    k_from: KFrom = "threshold"
    """Number of characters: threshold, labels, corpus (its cast_size), or a number."""
    run: str | None = None
    """Name of the clustering; null: its method, where none is named cast, its adaptation and, where known, K. It
    stays the same whether there is a model or not."""
    model: bool = True
    """Through the trained model, once there is one; false: always as the pack embeds."""

    @property
    def name(self) -> str:
        known = None if self.k_from == "threshold" else str(self.k_from)
        return self.run or "-".join(filter(None, (self.method or "cast", self.adapt, known)))


class CorpusConfig(Section):
    """A corpus that is kept harvested, learned from, clustered and shown."""

    movies: str | None = None
    """Video file, folder, glob, or CSV/Parquet with movie_id, uri: on storage that every worker sees. This and the
    places below, where relative, lie in the folder of the file that says so; of --set, in the working directory."""
    dataset: str | None = None
    """Folder or URL of the dataset."""
    models: str | None = None
    """Pack of face models: bundled, an insightface pack, or a folder of ONNX files; null: the one that the dataset was
    harvested with last, bundled in a new one."""
    train: str | None = "mvcorr-linear"
    """Method or preset to learn by, as `castmine train` names it; null: no training, and `model` is used as it is."""
    model: str | None = None
    """Folder of the model; null: beside a dataset on disk, with -model after its name."""
    renew_share: float = Field(default=0.1, ge=0, le=1)
    """Model and calibrated threshold are kept until this share of the movies that they were made from is new, changed
    or gone: new ones cluster every movie again. 0: made anew at every change, as they always are by --force and where a
    movie was forgotten or pruned †."""
    clusterings: tuple[ClusteringConfig, ...] = (ClusteringConfig(),)
    """Clusterings to keep up to date: a list of {method, adapt, k_from, run, model}, each key optional. The report
    shows the first."""
    report: str | None = None
    """Folder of the cast sheets and of report.json; null: beside a dataset on disk, with -sheets after its name."""
    shrunk: float = Field(default=0.5, gt=0, le=1)
    """--prune refuses to remove more than this share of the movies harvested from the corpus, and --prune-all does not:
    a corpus of which a part is not mounted looks like one from which that part is gone †."""
