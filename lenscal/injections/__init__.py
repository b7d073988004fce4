"""Injections: lensed arcs drawn from a named prior, rendered into real galaxies of the same seeing and depth."""

from lenscal.injections.hosts import assign_hosts
from lenscal.injections.priors import draw
from lenscal.injections.trials import gates, images, inject

__all__ = ["assign_hosts", "draw", "gates", "images", "inject"]
