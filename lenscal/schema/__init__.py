"""The vocabulary of lenscal: every dimension, variable, type, unit and chunk, declared once.

Stages check what they are given and what they return against these declarations; `stores/README.md` and
`docs/data.md` are written from them (`python -m lenscal.schema`).
"""

from .bands import BANDS_OF_COUNT, MORE_BANDS, bands_problem, bands_words, in_bands, of_bands
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
    POOLS,
    QUANTILES,
    SPLITS,
    TIER_OF_GRADE,
    TIERS,
    TYPES,
    VERSION,
    ZEROPOINT,
)
from .judgement import COUNTERFACTUAL_SCORES, JUDGEMENT, THRESHOLDS
from .pages import DECLARATIONS, page, readme, write_pages
from .pixels import CUTOUTS, GALAXY, GALAXY_COORDS, QUALITY, SCORES_CUTOUTS
from .releases import (
    BOTH,
    OPTICAL,
    PIXEL_SCALE,
    REGIONS,
    Release,
    maskbits,
    of_layers,
    release,
    release_of_code,
    releases,
)
from .sky import SKY_MAP, SKY_MAP_OF_ONE
from .trials import ALL_PARAMETERS, AXES, INJECTIONS, PARAMETERS, SCORES_INJECTIONS, TRIAL

__all__ = [
    "ALL_PARAMETERS",
    "ARC_RADIUS",
    "AXES",
    "BANDS",
    "BANDS_OF_COUNT",
    "BOTH",
    "CELL",
    "COMPLETENESS",
    "CONFUSERS",
    "CONTAMINANTS",
    "COUNTERFACTUAL_SCORES",
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
    "MORE_BANDS",
    "NEIGHBOURS",
    "NOBS_BINS",
    "OPTICAL",
    "PARAMETERS",
    "PIXEL_SCALE",
    "POOLS",
    "QUALITY",
    "QUANTILES",
    "REGIONS",
    "ROW",
    "SCORES_CUTOUTS",
    "SCORES_INJECTIONS",
    "SKY_MAP",
    "SKY_MAP_OF_ONE",
    "SPLITS",
    "THRESHOLDS",
    "TIERS",
    "TIER_OF_GRADE",
    "TRIAL",
    "TYPES",
    "VERSION",
    "ZEROPOINT",
    "Declaration",
    "Release",
    "SchemaError",
    "Variable",
    "bands_problem",
    "bands_words",
    "by_axes",
    "in_bands",
    "maskbits",
    "of_bands",
    "of_layers",
    "page",
    "readme",
    "release",
    "release_of_code",
    "releases",
    "write_pages",
]
