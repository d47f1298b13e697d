"""Every way to train, one after another, on photographed faces: what it gains on other people, and what it costs.

`python -m tests.bench.networks_table [METHOD …] [--out FOLDER]`: of the train part of phototracks, as `castmine train`
does with each preset as shipped; verified and clustered (average linkage, K known and by its own threshold) on the dev
part. `all` are all methods: hours on one core. A model that is in the folder is not trained again, and a training that
was stopped goes on. Markdown, a row as soon as it is known.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from cluster.metrics import CorpusMetrics
from tests.bench.phototracks_tables import PARTS, markdown
from train.presets import CLOSED_FORM, RECIPES
from train.registry import load_model
from workflows.cluster.job import BASE
from workflows.cluster.request import ClusterRequest
from workflows.cluster.run import cluster
from workflows.config import Config, load_config
from workflows.ray_cluster import ray_cluster
from workflows.tracks_import import import_tracks
from workflows.train.run import train
from workflows.verify.run import verify

QUICK = (CLOSED_FORM, "multiface-mvcorr")
"""What is trained where nothing is named: minutes."""
PAPERS = {
    BASE: ("0.843", "0.925"),
    "multiface-mvcorr": ("0.881", "0.937"),
    "multiface-imptriplet": ("0.851", "0.914"),
    "bcl": ("0.732, 0.712", ""),
}
"""V-measure and TPR at 0.1 FPR as published, on other data: Multi-Face on 60 films, BCL on 6 episodes, K unknown."""
HEADS = ["", "V-measure", "WCP", "V-measure, own threshold", "WCP", "PCR", "TPR at 0.1 / 0.01 FPR"]
HEADS += ["epochs", "seconds", "the paper's V", "its TPR at 0.1"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="*", default=QUICK, choices=["all", CLOSED_FORM, *RECIPES])
    parser.add_argument("--out", type=Path, help="where datasets and models stay; else they are thrown away")
    asked = parser.parse_args()
    if not PARTS.is_dir():
        return print(f"left out: needs {PARTS.name}, which is not on this machine")
    methods = [CLOSED_FORM, *RECIPES] if "all" in asked.methods else asked.methods
    with tempfile.TemporaryDirectory() as folder:
        table(methods, asked.out or Path(folder))


def table(methods: Sequence[str], folder: Path) -> None:
    """Print the table; datasets, models and the pages of the verifications go to `folder`."""
    config = load_config(overrides=["run.workers=1"])
    for part in ("train", "dev"):
        import_tracks(PARTS / f"{part}.parquet", str(folder / part))
    with ray_cluster(workers=1):
        markdown(HEADS, [row(BASE, None, folder, config)])
        for method in methods:
            cells = row(method, learned(method, folder, config), folder, config)
            print(f"| {' | '.join(cells)} |", flush=True)


def learned(method: str, folder: Path, config: Config) -> str:
    """The folder of the model, with the seconds that it took beside it."""
    out = folder / method
    if not out.is_dir():
        summary = train(str(folder / "train"), method, out, config, resume=True)
        seconds_of(out).write_text(json.dumps(summary.seconds))
    return str(out)


def seconds_of(model: Path) -> Path:
    """The file that says how long the training took, of one that was stopped since it went on."""
    return model.with_name(f"{model.name}.seconds.json")


def row(name: str, model: str | None, folder: Path, config: Config) -> list[str]:
    """The figures of one representation on the dev part."""
    dev = str(folder / "dev")
    known = overall(cluster(dev, ClusterRequest("hac", model, k_from="labels"), config).overall)
    own = overall(cluster(dev, ClusterRequest("hac", model), config).overall)
    compared = verify(dev, [model] if model else [], folder / f"{name}-page", config).comparison.rows[-1]
    assert compared.overall.named is not None
    rates = compared.overall.named.true_positive_rates
    epochs = f"{len(load_model(model).card.curve) or ''}" if model else ""
    seconds = f"{json.loads(seconds_of(Path(model)).read_text()):.0f}" if model else ""
    figures = [f"{figure:.3f}" for figure in (known.v_measure, known.wcp, own.v_measure, own.wcp)]
    pair = f"{rates[0.1]:.3f} / {rates[0.01]:.3f}"
    return [name, *figures, f"{own.pcr:.2f}", pair, epochs, seconds, *PAPERS.get(name, ("", ""))]


def overall(found: CorpusMetrics | None) -> CorpusMetrics:
    """What the movies came to as one."""
    assert found is not None, "every movie of the dev part has labels"
    return found


if __name__ == "__main__":
    main()
