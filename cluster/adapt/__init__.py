"""Fitting a representation to one movie, by name. One file each; all take and return the same."""

from cluster.adapt.adapted import Adaptation
from cluster.adapt.ball import ball
from cluster.adapt.network import selfdistill_network
from cluster.adapt.selfdistill import selfdistill
from cluster.adapt.ssiam import ssiam
from cluster.adapt.tsiam import tsiam

ADAPTATIONS: dict[str, Adaptation] = {
    "tsiam": tsiam,
    "ssiam": ssiam,
    "ball": ball,
    "selfdistill": selfdistill,
    "selfdistill-network": selfdistill_network,
}
"""What `castmine cluster --adapt NAME` may name."""
