"""VideoClusterNet's self-distillation of one movie, with heads on its stored embeddings.

VideoClusterNet §3.4–3.6 and appendix A (methods.md §4.2–4.4). The recognition network rests: a head of student and
teacher each learns on top of it. `network.py` lets the network learn too.
"""

import numpy as np
from torch import nn

from cluster.adapt.adapted import Adapted, Chips, Keeper, as_they_came
from cluster.adapt.distil import Distilling
from cluster.adapt.views import EmbeddingViews
from cluster.config import AdaptConfig
from cluster.constraints import Integers
from cluster.tracks import Faces


def selfdistill(
    faces: Faces, cannot_link: Integers, config: AdaptConfig, keeper: Keeper, chips: Chips | None = None
) -> Adapted:
    """Unit faces (n_i, d) of n tracks and index pairs (m, 2) → outputs (n_i, d) of both heads, and who is Unknown.

    A movie of fewer than two tracks, or in which all faces are equal, is returned as it came. Cannot-links only keep
    matches apart †; there are no negative pairs.
    """
    if len(faces) < 2:
        return as_they_came(faces, "fewer than two tracks: nobody to tell apart")
    if not np.ptp(np.concatenate(faces), axis=0).any():
        return as_they_came(faces, "all faces are equal: nothing to learn from")
    counts = np.array([len(of_track) for of_track in faces])
    views = EmbeddingViews(faces, config.selfdistill)
    distilling = Distilling(views, nn.Identity(), faces[0].shape[1], counts, cannot_link, config)
    return distilling.run(keeper, {"on": "stored embeddings"})
