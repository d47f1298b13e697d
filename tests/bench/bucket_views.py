"""A dataset of 200 movies in a bucket (moto's server on this machine): how long its views take to open and to answer.

First by a machine that knows nothing of it, without and with the file that a run leaves of all records, then again.
Beside it the same files as DuckDB reads them through s3fs as it comes. moto answers from one Python process, some
milliseconds a request; a real bucket answers more at once, each after 20 to 50 ms.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import duckdb
import fsspec
from rich.console import Console
from rich.table import Table

from tests.s3.bucket import wait_for_server

MOVIES = 200
PORT = 18899
QUERY = "SELECT count(*), sum(faces) FROM tracks"


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def make(root: str) -> None:
    """Movies of six tracks each."""
    from harvest.dataset.read import Dataset
    from tests.harvest.small_dataset import LINKS, SHOTS, TRACKS, _movie

    dataset = Dataset.create(root)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda i: _movie(dataset, f"m{i}", "h", SHOTS, TRACKS, LINKS, {}), range(MOVIES)))


def through_s3fs(files: list[str]) -> None:
    """The query as the usual script writes it."""
    with duckdb.connect() as connection:
        connection.register_filesystem(fsspec.filesystem("s3", use_listings_cache=False))
        connection.execute(QUERY.replace("tracks", "read_parquet(?)"), [files]).fetchall()


def main() -> None:
    from harvest.dataset.index import share_records
    from harvest.dataset.read import Dataset
    from harvest.dataset.views import connect
    from harvest.storage import cache_folder

    fsspec.filesystem("s3").mkdir("bench")
    make("s3://bench/dataset")
    table = Table("", "first time", "again", title=f"{MOVIES} movies in a bucket: seconds")

    def open_views() -> float:
        return seconds(lambda: connect(Dataset.open("s3://bench/dataset").snapshot()))

    record_by_record = open_views()
    share_records(Dataset.open("s3://bench/dataset").store)
    shutil.rmtree(cache_folder())
    opened = [open_views() for _ in range(2)]
    snapshot = Dataset.open("s3://bench/dataset").snapshot()
    connection = connect(snapshot)
    asked = [seconds(lambda: connection.execute(QUERY).fetchall()) for _ in range(2)]
    usual = [seconds(lambda: through_s3fs(snapshot.shards["tracks"])) for _ in range(2)]
    rows = {"open all views": opened, f"{QUERY}": asked, "the same through s3fs as it comes": usual}
    table.add_row("open all views, record by record", f"{record_by_record:.2f}", "")
    for name, times in rows.items():
        table.add_row(name, *(f"{time_s:.2f}" for time_s in times))
    table.add_row("ratio", *(f"{theirs / ours:.1f}" for theirs, ours in zip(usual, asked, strict=True)))
    Console().print(table)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as cache:
        os.environ |= {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{PORT}", "AWS_DEFAULT_REGION": "us-east-1"}
        os.environ |= {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "XDG_CACHE_HOME": cache}
        server = subprocess.Popen(
            [sys.executable, "-m", "tests.s3.server", str(PORT)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            wait_for_server(os.environ["AWS_ENDPOINT_URL"])
            main()
        finally:
            server.kill()
