"""Injections: lensed arcs drawn from a named prior, rendered into real galaxies of the same seeing and depth."""

from lenscal.injections import populations
from lenscal.injections.gates import gates
from lenscal.injections.hosts import assign_hosts
from lenscal.injections.prior_sets import PriorError
from lenscal.injections.priors import draw
from lenscal.injections.trials import images, inject
from lenscal.injections.variants import redraw

__all__ = ["PriorError", "assign_hosts", "draw", "gates", "images", "inject", "populations", "redraw"]
