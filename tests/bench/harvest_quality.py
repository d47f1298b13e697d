"""What `castmine harvest` finds, against exact truth: faces, purity of tracks, cannot-links, cuts never crossed."""

import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from harvest.dataset.read import Dataset
from tests.bench._truth import MISSING, MOVIES, PACK, score, there

COLUMNS = ("recall", "precision", "purity", "link_recall", "link_precision", "across_cuts", "id_switches", "tracks")


def main() -> None:
    if not there():
        print(MISSING)
        return
    table = Table("real faces, simulated camera", *(name.replace("_", " ") for name in COLUMNS))
    weighted = dict.fromkeys(COLUMNS[:5], 0.0)
    faces = 0
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "workflows", "harvest", str(MOVIES), "--dataset", folder + "/ds"]
        subprocess.run([*command, "--models", str(PACK)], check=True, stdout=subprocess.DEVNULL)
        dataset = Dataset.open(Path(folder) / "ds")
        for record in dataset.records():
            movie = record.movie_id
            columns = ["frame", "track_id", "x1", "y1", "x2", "y2"]
            found = dataset.table("faces", movie, columns).to_pylist()
            scored = score(movie, found, dataset.table("links", movie).to_pylist())
            table.add_row(movie, *(f"{scored[name]:.4g}" for name in COLUMNS))
            faces += int(scored["truth_faces"])
            weighted = {name: total + scored[name] * scored["truth_faces"] for name, total in weighted.items()}
    table.add_row("all, by faces", *(f"{total / faces:.4g}" for total in weighted.values()))
    Console(width=140).print(table)
    print("wanted: recall 0.97, purity 0.99, link precision 0.99, link recall 0.97, no track across a cut")


if __name__ == "__main__":
    main()
