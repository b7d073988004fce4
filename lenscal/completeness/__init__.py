"""Completeness: counts of recovered injections, what they say of the share recovered, and how to read it."""

from lenscal.completeness.counts import add, count
from lenscal.completeness.judging import gates, occupancy_gate
from lenscal.completeness.posterior import posterior
from lenscal.completeness.reading import cell_of, edges_of, marginalise, query
from lenscal.completeness.sky import occupancy

__all__ = ["add", "cell_of", "count", "edges_of", "gates", "marginalise", "occupancy", "occupancy_gate", "posterior", "query"]
