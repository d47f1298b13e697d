"""What a submitted job writes must not lie in the folder that Ray deletes when the job is over."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from harvest.errors import ConfigError
from workflows.cli import app
from workflows.submitted import PACKAGES, lasting


def test_a_relative_folder_in_a_submitted_job_is_refused_before_it_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / PACKAGES / "_ray_pkg_0123456789abcdef"
    package.mkdir(parents=True)
    monkeypatch.chdir(package)
    with pytest.raises(ConfigError, match=r"^ds: a submitted job runs in a folder of its own, .*give a full path"):
        lasting("ds")
    with pytest.raises(ConfigError):
        lasting(package / "ds")
    assert lasting("/datasets/films") == "/datasets/films"
    assert lasting("s3://films/ds") == "s3://films/ds"
    assert lasting(None) is None


@pytest.mark.parametrize("command", ["demo", "train", "report", "compare", "verify"])
def test_no_command_writes_its_folder_where_it_is_lost(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / PACKAGES / "_ray_pkg_0123456789abcdef"
    package.mkdir(parents=True)
    monkeypatch.chdir(package)
    dataset = [] if command == "demo" else ["--dataset", "/datasets/films"]
    ran = CliRunner().invoke(app, [command, *dataset, "--out", "page"])
    assert "page: a submitted job runs in a folder of its own" in str(ran.exception)
    assert not list(package.iterdir())


def test_a_relative_folder_anywhere_else_is_what_a_user_means(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert lasting("ds") == "ds"
