"""What is declared of completeness over the sky."""

from __future__ import annotations

from .declaration import Declaration, Variable
from .trials import AXES

_PIXELS = ("cells", "theta_e")

SKY_MAP = Declaration(
    "completeness_map",
    "Completeness over the footprint at the first threshold, on HEALPix pixels (nested; CF grid mapping `healpix`).",
    {
        "theta_e": AXES["theta_e"],
        "cell_ids": Variable(("cells",), "u8", "1", "HEALPix pixel, nested"),
        "level": Variable(("level",), "f8", "1", "of the interval"),
        "completeness": Variable(_PIXELS, "f4", "1", "median of the posterior of the pixel's mixture of cells"),
        "lower": Variable((*_PIXELS, "level"), "f4", "1", "lower end of the interval; NaN with too few hosts"),
        "upper": Variable((*_PIXELS, "level"), "f4", "1", "upper end of the interval"),
        "unsupported": Variable(_PIXELS, "f4", "1", "share of the area of the pixel without an estimate"),
        "supported": Variable(_PIXELS, "bool", "1", "completeness and interval may be used"),
        "area": Variable(("cells",), "f8", "degree^2", "sky of the survey in the pixel"),
    },
    coords=("theta_e", "cell_ids", "level", "healpix"),
)

SKY_MAP_OF_ONE = Declaration(
    SKY_MAP.name,
    "The same for one population of Einstein radii: one number a pixel.",
    {
        name: Variable(tuple(dim for dim in one.dims if dim != "theta_e"), one.dtype, one.units, one.about)
        for name, one in SKY_MAP.variables.items()
        if name != "theta_e"
    },
    coords=("cell_ids", "level", "healpix"),
)
