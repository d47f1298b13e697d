"""VideoClusterNet's self-distillation as its paper has it: the recognition network itself learns, from stored chips.

§3.4 and appendix A (methods.md §4.2). Some 0.06 s a view on one core, six views a face: for a GPU, or a short movie.
"""

import numpy as np
from torch import nn

from cluster.adapt.adapted import Adapted, Chips, Keeper, as_they_came
from cluster.adapt.distil import Distilling
from cluster.config import AdaptConfig
from cluster.constraints import Integers
from cluster.tracks import Faces
from harvest.errors import ModelsError

PIECE = 8
"""Pairs whose gradient is taken at once: 48 crops, which take 1.2 GB; a step's 32 would take 4.6."""


def selfdistill_network(
    faces: Faces, cannot_link: Integers, config: AdaptConfig, keeper: Keeper, chips: Chips | None = None
) -> Adapted:
    """Chips of n tracks and index pairs (m, 2) → outputs of student and teacher on up to `faces_per_track` chips of
    each track, evenly spread, and who is Unknown. A movie of fewer than two tracks is returned as it came.

    Raises ModelsError where there are no chips, or the pack's network is none that can learn.
    """
    from cluster.adapt.chip_views import ChipViews  # onnx2torch and insightface, 3 s
    from cluster.adapt.recogniser import Scaled, load_recogniser

    if chips is None:
        raise ModelsError("no chips to train the recognition network on; use --adapt selfdistill, which needs none")
    if len(faces) < 2:
        return as_they_came(faces, "fewer than two tracks: nobody to tell apart")
    most = config.selfdistill.faces_per_track
    chosen = [_spread(len(track), most) for track in chips.jpegs]
    jpegs = [track[face] for track, rows in zip(chips.jpegs, chosen, strict=True) for face in rows]
    recogniser = load_recogniser(chips.recogniser)
    counts = np.array([len(rows) for rows in chosen])
    backbone = nn.Sequential(recogniser.network, Scaled())
    views = ChipViews(jpegs, recogniser)
    distilling = Distilling(views, backbone, recogniser.size, counts, cannot_link, config, PIECE)
    return distilling.run(keeper, {"on": f"the recognition network, {len(jpegs)} chips"})


def _spread(count: int, most: int) -> Integers:
    """At most so many of `count` numbers, evenly spread, each once."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))
