"""Completeness: counts of recovered injections, what they say of the share recovered, and how to read it."""

from lenscal.completeness.averaging import marginalise
from lenscal.completeness.axes import by_axes
from lenscal.completeness.budget import brackets, budget, shift
from lenscal.completeness.counts import SURVEY, add, count
from lenscal.completeness.gates import gates, occupancy_gate
from lenscal.completeness.hosts import by_host
from lenscal.completeness.lookup import lookup
from lenscal.completeness.merging import merged
from lenscal.completeness.posterior import posterior, posteriors
from lenscal.completeness.sky import occupancy
from lenscal.completeness.sky_pixels import sky_map
from lenscal.cube import cell_of, edges_of, of_population, query

__all__ = [
    "SURVEY",
    "add",
    "brackets",
    "budget",
    "by_axes",
    "by_host",
    "cell_of",
    "count",
    "edges_of",
    "gates",
    "lookup",
    "marginalise",
    "merged",
    "occupancy",
    "occupancy_gate",
    "of_population",
    "posterior",
    "posteriors",
    "query",
    "shift",
    "sky_map",
]
