"""MATLAB files: of version 7.3, which are HDF5 and may be larger than memory, and the earlier ones, read whole."""

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import scipy.io
from scipy.io.matlab import MatReadError

from harvest.errors import CorpusError

_DAMAGED = (OSError, ValueError, TypeError, LookupError, RuntimeError, MatReadError, zlib.error)
_SOMETHING_ELSE = (AttributeError, ArithmeticError)
"""What h5py and scipy raise on files that are damaged, h5py a RuntimeError where it has no closer one for HDF5's; and
what comes of a struct in place of an array, or of a number that is infinite."""


def variables(path: Path) -> set[str]:
    """Names of a file's variables. Raises CorpusError where it is no MATLAB file."""
    with _said(path, "a MATLAB file"):
        if _is_hdf5(path):
            with h5py.File(path) as file:
                return set(file)
        return {name for name, _, _ in scipy.io.whosmat(path)}


def struct_numbers(path: Path, name: str, field: str) -> list[int]:
    """The whole numbers of one field of a struct array, in MATLAB's order. Raises CorpusError where it has others."""
    with _said(path, f"{name}.{field}, a number for each of {name}"):
        values = _hdf5_field(path, name, field) if _is_hdf5(path) else _earlier_field(path, name, field)
        numbers = [np.asarray(value).item() for value in values]
        if any(number != int(number) for number in numbers):
            raise ValueError("not whole")
        return [int(number) for number in numbers]


def array_shape(path: Path, name: str) -> tuple[int, int, int]:
    """Rows, columns and pages of a variable; MATLAB drops a last dimension of 1. Raises CorpusError on other arrays."""
    with _said(path, f"{name}, an array of three dimensions"):
        if _is_hdf5(path):
            with h5py.File(path) as file:
                shape = file[name].shape[::-1]
        else:
            shape = next(shape for found, shape, _ in scipy.io.whosmat(path) if found == name)
        rows, columns, pages = (*shape, 1) if len(shape) == 2 else shape
        return rows, columns, pages


def first_columns(path: Path, name: str, counts: Sequence[int]) -> Iterator[np.ndarray]:
    """Of each page its first columns, so many as `counts` says, each as a row: (count, rows) float32.

    A file of version 7.3 is read page by page. Raises CorpusError on a damaged file.
    """
    with _said(path, name):
        if not _is_hdf5(path):
            array = scipy.io.loadmat(path, variable_names=[name])[name]
            array = array[:, :, None] if array.ndim == 2 else array
            yield from (np.asarray(array[:, :count, page].T, np.float32) for page, count in enumerate(counts))
            return
        with h5py.File(path) as file:
            pages = file[name]  # HDF5 has the dimensions the other way round
            for page, count in enumerate(counts):
                yield np.asarray(pages[page, :count] if pages.ndim == 3 else pages[:count], np.float32)


def _is_hdf5(path: Path) -> bool:
    return bool(h5py.is_hdf5(path))


def _hdf5_field(path: Path, name: str, field: str) -> list[np.ndarray]:
    """A struct array keeps references in each field; a struct of its own, the value itself."""
    with h5py.File(path) as file:
        kept = file[name][field]
        if kept.dtype != h5py.ref_dtype:
            return [kept[()]]
        return [file[reference][()] for reference in kept[()].ravel()]


def _earlier_field(path: Path, name: str, field: str) -> list[np.ndarray]:
    array = scipy.io.loadmat(path, variable_names=[name])[name]
    if field not in (array.dtype.names or ()):
        raise KeyError(field)
    return list(array[field].ravel(order="F"))


@contextmanager
def _said(path: Path, what: str) -> Iterator[None]:
    try:
        yield
    except (*_DAMAGED, *_SOMETHING_ELSE) as error:
        raise CorpusError(f"{path}: cannot be read as {what} ({error})") from error
