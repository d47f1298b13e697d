"""What a clustering method may look at: a movie's tracks, their faces where it asks for them, and who is not whom."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps

import numpy as np
import numpy.typing as npt

from cluster.config import ClusterConfig
from cluster.constraints import Floats, Integers, Stop, checked_pairs
from harvest.errors import DatasetError

Faces = tuple[Floats, ...]
"""Network outputs (n_i, d) of the faces of each track, n_i ≥ 1."""


@dataclass(frozen=True)
class Tracks:
    """The n tracks of one movie."""

    means: Floats
    """(n, d) unit track embeddings."""
    cannot_link: Integers
    """(m, 2) pairs of them."""
    student: Faces | None = None
    """Of each track its faces through the student, only for methods that need them; n arrays."""
    teacher: Faces | None = None
    """The same through the teacher where the movie was adapted; None: not adapted, the student is the teacher too."""
    similarity: Floats | None = None
    """(n, n) symmetric similarity of tracks, 1 with itself, which stands for the cosine of `means` where given."""

    @classmethod
    def of(
        cls,
        means: npt.ArrayLike,
        cannot_link: npt.ArrayLike,
        student: Sequence[npt.ArrayLike] | None = None,
        teacher: Sequence[npt.ArrayLike] | None = None,
        similarity: npt.ArrayLike | None = None,
    ) -> "Tracks":
        """Checked. Raises DatasetError on rows that are not unit, pairs that are none, faces of other tracks."""
        rows = _unit_rows(means)
        return cls(
            rows,
            checked_pairs(cannot_link, len(rows)),
            _faces(student, len(rows)),
            _faces(teacher, len(rows)),
            None if similarity is None else _square(similarity, len(rows)),
        )

    def __len__(self) -> int:
        return len(self.means)

    def distances(self) -> Floats:
        """(n, n) cosine distances 1 − ⟨x_a, x_b⟩, or 1 − similarity; the caller's own to overwrite."""
        distances = self.means @ self.means.T if self.similarity is None else self.similarity.copy()
        return np.subtract(1, distances, out=distances)

    def take(self, rows: Integers) -> "Tracks":
        """Some or all of the tracks, each at most once, in the order of `rows`."""
        place = np.full(len(self), -1)
        place[rows] = np.arange(len(rows))
        pairs = place[self.cannot_link]
        return Tracks(
            self.means[rows],
            pairs[(pairs >= 0).all(axis=1)],
            self.student and tuple(self.student[track] for track in rows),
            self.teacher and tuple(self.teacher[track] for track in rows),
            None if self.similarity is None else self.similarity[np.ix_(rows, rows)],
        )


ClusteringMethod = Callable[[Tracks, Stop, ClusterConfig], Integers]
"""n tracks → labels (n,), 0 … K−1 and −1 for Unknown; no cannot-link pair shares a cluster."""


def order_free(method: ClusteringMethod) -> ClusteringMethod:
    """The method on the tracks sorted by their embeddings, so that neither its ties nor the last bit of its sums depend
    on the order in which they come; only tracks of equal embeddings keep theirs."""

    @wraps(method)
    def sorted_first(tracks: Tracks, stop: Stop, config: ClusterConfig) -> Integers:
        order = np.lexsort(tracks.means.T[::-1]) if len(tracks) else np.zeros(0, np.int64)
        labels = np.empty(len(tracks), dtype=np.int64)
        labels[order] = method(tracks.take(order), stop, config)
        return labels

    return sorted_first


def by_lowest_row(labels: Integers) -> Integers:
    """Labels (n,) 0 … K−1, renumbered by each cluster's lowest row."""
    _, first, found = np.unique(labels, return_index=True, return_inverse=True)
    return np.asarray(first.argsort().argsort()[found], dtype=np.int64)


def _unit_rows(means: npt.ArrayLike) -> Floats:
    rows = np.asarray(means, dtype=np.float64)
    if not rows.size:
        return np.zeros((0, 0))
    # 1e-3: means stored as half floats are unit to 5e-4.
    wrong = ~(np.abs(np.linalg.norm(rows, axis=1) - 1) < 1e-3)
    if wrong.any():
        raise DatasetError(f"embedding of track {int(wrong.argmax())} is not of length 1; harvest this movie again")
    return rows


def _faces(faces: Sequence[npt.ArrayLike] | None, tracks: int) -> Faces | None:
    if faces is None:
        return None
    if len(faces) != tracks:
        raise DatasetError(f"faces of {len(faces)} tracks were given for {tracks} tracks; harvest this movie again")
    arrays = tuple(np.asarray(of_track, dtype=np.float64) for of_track in faces)
    for track, array in enumerate(arrays):
        if array.ndim != 2 or not len(array) or not np.isfinite(array).all():
            raise DatasetError(f"faces of track {track}: none, or NaN or infinity in them; harvest this movie again")
    return arrays


def _square(similarity: npt.ArrayLike, tracks: int) -> Floats:
    square = np.asarray(similarity, dtype=np.float64)
    if square.shape != (tracks, tracks) or not np.isfinite(square).all() or not np.array_equal(square, square.T):
        raise DatasetError(f"a similarity of shape {square.shape} is no finite, symmetric one of {tracks} tracks")
    return square
