"""The folder that a command leaves its pages and tables in: made before the work, written after it."""

import csv
from collections.abc import Iterable
from pathlib import Path

from harvest.errors import DatasetError


def make_folder(out: Path) -> None:
    """Raises DatasetError where `out` cannot be made: better before the work than after it."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(out, error) from error


def write_page(path: Path, page: str) -> None:
    """Raises DatasetError where it cannot be written."""
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise _unwritable(path.parent, error) from error


def write_csv(path: Path, heads: list[str], rows: Iterable[list[str]]) -> None:
    """Raises DatasetError where it cannot be written."""
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([heads, *rows])
    except OSError as error:
        raise _unwritable(path.parent, error) from error


def _unwritable(out: Path, error: OSError) -> DatasetError:
    return DatasetError(f"{out}: cannot be written ({error.strerror}); name another folder as --out")
