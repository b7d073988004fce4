"""The vocabulary of lenscal: every dimension, variable, type, unit and chunk, declared once.

Stages check what they are given and what they return against these declarations; `stores/README.md` and
`docs/data.md` are written from them (`python -m lenscal.schema`).
"""

from .catalogues import CONTAMINANTS, GALAXIES, LENSES, MANIFEST, MATCHES, NEIGHBOURS, ROW
from .cube import CELL, COMPLETENESS, by_axes
from .declaration import Declaration, SchemaError, Variable
from .facts import (
    ARC_RADIUS,
    BANDS,
    CONFUSERS,
    LAG_SIZES,
    LAGS,
    LEVELS,
    MASKBITS,
    NOBS_BINS,
    PIXEL_SCALE,
    POOLS,
    QUANTILES,
    SPLITS,
    TIERS,
    TYPES,
    VERSION,
    ZEROPOINT,
)
from .judgement import JUDGEMENT, THRESHOLDS
from .pages import DECLARATIONS, page, readme, write_pages
from .pixels import CUTOUTS, GALAXY, GALAXY_COORDS, QUALITY, SCORES_CUTOUTS
from .sky import SKY_MAP, SKY_MAP_OF_ONE
from .trials import AXES, INJECTIONS, PARAMETERS, SCORES_INJECTIONS, TRIAL

__all__ = [
    "ARC_RADIUS",
    "AXES",
    "BANDS",
    "CELL",
    "COMPLETENESS",
    "CONFUSERS",
    "CONTAMINANTS",
    "CUTOUTS",
    "DECLARATIONS",
    "GALAXIES",
    "GALAXY",
    "GALAXY_COORDS",
    "INJECTIONS",
    "JUDGEMENT",
    "LAGS",
    "LAG_SIZES",
    "LENSES",
    "LEVELS",
    "MANIFEST",
    "MASKBITS",
    "MATCHES",
    "NEIGHBOURS",
    "NOBS_BINS",
    "PARAMETERS",
    "PIXEL_SCALE",
    "POOLS",
    "QUALITY",
    "QUANTILES",
    "ROW",
    "SCORES_CUTOUTS",
    "SCORES_INJECTIONS",
    "SKY_MAP",
    "SKY_MAP_OF_ONE",
    "SPLITS",
    "THRESHOLDS",
    "TIERS",
    "TRIAL",
    "TYPES",
    "VERSION",
    "ZEROPOINT",
    "Declaration",
    "SchemaError",
    "Variable",
    "by_axes",
    "page",
    "readme",
    "write_pages",
]
