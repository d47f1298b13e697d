"""VideoClusterNet's final clustering: the training loss is the distance, each track has its own threshold, K comes out.

VideoClusterNet §3.7, Algorithm 1, eq. 2 (methods.md §4.5). No parameter is set by a person.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import log_softmax, softmax

from cluster.config import ClusterConfig, VideoClusterNetConfig
from cluster.constraints import Floats, Integers, Stop
from cluster.linkage import merge_clusters
from cluster.tracks import Tracks, order_free
from harvest.errors import ConfigError


@order_free
def videoclusternet(tracks: Tracks, stop: Stop, config: ClusterConfig) -> Integers:
    """n tracks with their faces → labels (n,), 0 … K−1; K and the threshold of `stop` play no part.

    Of two crops x, y: L(x, y) = −softmax((e_t(x) − c)/temp) · log softmax(e_s(y)), averaged over both orders, c the
    mean of the teacher's outputs on the movie's crops †. A track's threshold is the mean L over the pairs of its own
    crops; two tracks match where the mean L over their crop pairs is not above *either* threshold (the paper: below;
    equal where the crops are, or where L is 0 to the last bit); what matches, directly or through others, becomes one
    cluster. The next round compares clusters by the means of their tracks' mean outputs, a cluster's threshold being
    the mean of its tracks' †, until nothing merges. A track of one crop has no threshold and is matched through the
    other's †. L is linear in each crop's two distributions, so a mean over crop pairs is the product of two means: n² d
    for a movie, whatever its number of crops.

    Without an adapted teacher both branches are the faces' unit embeddings times `scale`, at `unadapted_temperature` †.
    Cannot-link: matches are taken by how far the loss is below the threshold, and one that would bring together two
    tracks that are not one person is passed over; without constraints that is every match. Raises ConfigError where
    the faces are missing.
    """
    if not len(tracks):
        return np.zeros(0, dtype=np.int64)
    branches = _branches(tracks, config.videoclusternet, config.adapt.selfdistill.temperature)
    labels = np.arange(len(tracks))
    losses = _mean_losses(branches.targets, branches.answers)
    thresholds = branches.thresholds
    while True:
        pairs = labels[tracks.cannot_link]
        merged = merge_clusters(_margins(losses, thresholds), pairs, "single", threshold=0)
        if merged.max() + 1 == len(losses):
            return labels
        labels = merged[labels]
        member = np.equal.outer(np.arange(merged.max() + 1), labels).astype(np.float64)
        known = ~np.isnan(branches.thresholds)
        count = member @ known
        total = member @ np.where(known, branches.thresholds, 0)
        thresholds = np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)
        member /= member.sum(axis=1, keepdims=True)
        losses = _mean_losses(branches.target(member @ branches.teacher), _answer(member @ branches.student))


@dataclass(frozen=True)
class _Branches:
    """Of each track: its mean outputs, the means of its crops' distributions, and its own threshold."""

    teacher: Floats
    """(n, d) mean outputs."""
    student: Floats
    targets: Floats
    """(n, d) mean over the crops of softmax((e_t − c)/temp)."""
    answers: Floats
    """(n, d) mean over the crops of log softmax(e_s)."""
    thresholds: Floats
    """(n,) mean L over the ordered pairs of a track's crops; NaN where there is one crop."""
    centre: Floats
    temperature: float

    def target(self, outputs: Floats) -> Floats:
        """(…, d) teacher outputs → their distribution."""
        target: Floats = softmax((outputs - self.centre) / self.temperature, axis=-1)
        return target


def _branches(tracks: Tracks, config: VideoClusterNetConfig, temperature: float) -> _Branches:
    if tracks.student is None:
        raise ConfigError("videoclusternet compares faces, not track means: give it the faces of each track")
    student, teacher = tracks.student, tracks.teacher
    if teacher is None:
        temperature = config.unadapted_temperature
        teacher = student = tuple(
            config.scale * faces / np.linalg.norm(faces, axis=1, keepdims=True) for faces in student
        )
    counts = np.array([len(faces) for faces in teacher])
    sums = np.stack([faces.sum(axis=0) for faces in teacher])
    centre = sums.sum(axis=0) / counts.sum()
    targets, answers, thresholds = [], [], []
    for taught, learned in zip(teacher, student, strict=True):
        target, answer = softmax((taught - centre) / temperature, axis=1), _answer(learned)
        ordered = len(target) * (len(target) - 1)
        itself = float((target * answer).sum())
        targets.append(target.mean(axis=0))
        answers.append(answer.mean(axis=0))
        thresholds.append(-(float(target.sum(axis=0) @ answer.sum(axis=0)) - itself) / ordered if ordered else np.nan)
    return _Branches(
        sums / counts[:, None],
        np.stack([faces.mean(axis=0) for faces in student]),
        np.stack(targets),
        np.stack(answers),
        np.array(thresholds),
        centre,
        temperature,
    )


def _answer(outputs: Floats) -> Floats:
    answer: Floats = log_softmax(outputs, axis=-1)
    return answer


def _mean_losses(targets: Floats, answers: Floats) -> Floats:
    """(n, n) L over both orders."""
    losses = -(targets @ answers.T)
    return (losses + losses.T) / 2


def _margins(losses: Floats, thresholds: Floats) -> Floats:
    """How far each loss is above the larger of the two thresholds; 0 and less matches."""
    margins: Floats = losses - np.fmax(thresholds[:, None], thresholds)
    return np.where(np.isnan(margins), np.finfo(np.float64).max, margins)
