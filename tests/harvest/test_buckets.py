"""A dataset in a bucket: the same records and shards as on a disk, single puts, one listing, one line when it is down."""

import time
from pathlib import Path

import pytest

from harvest.dataset.read import Dataset
from harvest.dataset.store import Store
from harvest.errors import DatasetError
from tests.harvest import small_dataset
from tests.s3.bucket import Bucket


def test_a_dataset_in_a_bucket_is_that_of_a_disk(bucket: Bucket, tmp_path: Path) -> None:
    local, remote = small_dataset.make(tmp_path / "dataset"), small_dataset.make(f"{bucket.url}/a/dataset")
    assert remote.root == f"{bucket.url}/a/dataset"
    assert set(local.store.files("shards")) == set(remote.store.files("shards"))
    assert [(m.movie_id, m.shards) for m in local.records()] == [(m.movie_id, m.shards) for m in remote.records()]
    assert local.runs() == remote.runs()
    for record in local.records():
        for shard in record.shards.values():
            assert local.store.get(shard.path) == remote.store.get(shard.path)
            assert local.read_shard(shard) == remote.read_shard(shard)
    assert [failure.movie_id for failure in Dataset.open(remote.root).failures()] == ["lost"]
