"""What a message says to install can be installed: from the checkout, by extras that there are."""

import re
import tomllib
from pathlib import Path

import fsspec
import pytest

from harvest.errors import DatasetError
from harvest.installation import install_command
from harvest.storage import open_filesystem

ROOT = Path(__file__).parents[2]


def test_what_is_missing_for_a_bucket_is_installed_from_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise ImportError("s3fs")

    monkeypatch.setattr(fsspec.core, "url_to_fs", missing)
    with pytest.raises(DatasetError, match=r"-c infra/constraints\.txt '\.\[s3\]' \(at the top"):
        open_filesystem("s3://films/ds")


def test_nothing_is_told_to_be_installed_from_a_registry_where_it_is_not_and_every_extra_is_there() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    folders = ("harvest", "train", "cluster", "workflows", "infra")
    texts = [ROOT / "README.md", *(path for name in folders for path in (ROOT / name).rglob("*") if path.is_file())]
    for path in (path for path in texts if path.suffix in (".py", ".md", ".sh", ".yaml")):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"pip install[^`\n]*[ ']castmine[\['\"\s,;)]", text), path
        named = re.findall(r"install_command\(['\"](\w+)", text)
        assert set(named) <= set(extras), path
    assert install_command() == "pip install -c infra/constraints.txt . (at the top of its checkout)"
