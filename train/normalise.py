"""Unit vectors, and the one direction that stands for many faces.

Every mean of this package is taken over l2-normalised faces and is l2-normalised again (methods.md §1).
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from harvest.errors import DatasetError

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


def l2_normalised(rows: npt.ArrayLike, what: str = "embedding") -> Floats:
    """Rows (…, d) of any float type → float64 rows of length 1. Raises DatasetError on NaN, infinity or a zero row."""
    rows = np.asarray(rows, dtype=np.float64)
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    if not (np.isfinite(lengths) & (lengths > 0)).all():
        row = int(np.argmin((np.isfinite(lengths) & (lengths > 0)).ravel()))
        raise DatasetError(f"{what}: row {row} holds NaN, infinity or only zeros; harvest this movie again")
    unit: Floats = rows / lengths
    return unit


def track_mean(faces: npt.ArrayLike, what: str = "track", by_length: bool = False) -> Floats:
    """Raw faces (n, d), n ≥ 1 → (d,): the mean of the l2-normalised faces, l2-normalised.

    `by_length`: a face weighs as much as it is long, so the faces are averaged as they are.
    """
    faces = np.asarray(faces, dtype=np.float64)
    if faces.ndim != 2 or not len(faces):
        raise DatasetError(f"{what}: expected faces × dimensions, at least one face; found shape {faces.shape}")
    rows = faces if by_length else l2_normalised(faces, what)
    return l2_normalised(rows.mean(axis=0), f"{what}, mean")


def track_means(tracks: Sequence[npt.ArrayLike], by_length: bool = False) -> Floats:
    """Raw faces of each track → (n, d) means, one a track; (0, 0) of no tracks. All tracks have one d."""
    means = [track_mean(faces, f"track {track}", by_length) for track, faces in enumerate(tracks)]
    sizes = {len(mean) for mean in means}
    if len(sizes) > 1:
        raise DatasetError(f"tracks of one movie have embeddings of different sizes: {sorted(sizes)}")
    return np.stack(means) if means else np.zeros((0, 0))
