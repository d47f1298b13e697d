"""Workers and drivers of harvests killed at random instants; each dataset ends with the bytes of an undisturbed one.

python -m tests.soak.kills [--workers 50] [--drivers 10] [--seed 1]
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

from tests.conftest import shared
from tests.workflows.conftest import Castmine, running_ray
from tests.workflows.faults import Tally, harvest_undisturbed, kill_at_random


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    for name, default in (("workers", 50), ("drivers", 10), ("seed", 1)):
        options.add_argument(f"--{name}", type=int, default=default)
    chosen = options.parse_args()
    began = time.monotonic()

    def tell(tally: Tally) -> None:
        print(
            f"{time.monotonic() - began:6.0f} s: {tally.datasets} datasets, {tally.killed.total()} killed", flush=True
        )

    with tempfile.TemporaryDirectory(prefix="castmine-soak-") as folder, running_ray() as address:
        castmine = Castmine({**os.environ, "RAY_ADDRESS": address})
        undisturbed = harvest_undisturbed(
            castmine, shared("clips") / "hamilton.mp4", shared("models/scrfd25_mbf"), Path(folder)
        )
        victims = {"worker": chosen.workers, "driver": chosen.drivers}
        print(
            f"seed {chosen.seed}: {victims['worker']} workers and {victims['driver']} drivers to be killed", flush=True
        )
        tally = kill_at_random(castmine, undisturbed, Path(folder), chosen.seed, victims, tell)
    for what, number in sorted(tally.killed.items()):
        print(f"  killed: {what:<56} {number:4}")
    print(f"  datasets with the bytes of an undisturbed harvest: {tally.datasets} of {tally.datasets}")
    print(f"  temporary files left on disk, seen by no reader:   {tally.leftovers}")


if __name__ == "__main__":
    main()
