"""Facts of the survey and words of the audit: bands, bits, pixel scale, splits, pools, quantiles."""

from __future__ import annotations

import numpy as np

from .releases import release

VERSION = 1

BANDS = ("g", "r", "z")
"""Bands of every run: colours, arcs and the rules of the sample are of these; i may be beside them (`survey.bands`)."""

ZEROPOINT = 22.5  # AB magnitude of one nanomaggy

TYPES = ("PSF", "REX", "EXP", "DEV", "SER", "DUP")

SPLITS = ("train", "val", "test", "none")

POOLS = ("positive", "N1", "N2", "control")

TIERS = ("literature", "A", "B", "")

TIER_OF_GRADE = {
    **dict.fromkeys(("confirmed", "high-quality", "spectroscopic", "literature"), "literature"),
    **dict.fromkeys(("confident", "a"), "A"),
    **dict.fromkeys(("probable", "possible", "b", "c"), "B"),
}
"""Grades that catalogues write, in small letters."""

NOBS_BINS = ((1, 2, "1-2"), (3, 5, "3-5"), (6, 10, "6-10"), (11, 32767, "11+"))

QUANTILES = (0.025, 0.15865, 0.5, 0.84135, 0.975)

LEVELS = (0.6827, 0.95)

ARC_RADIUS = (0.6, 3.2)  # arcsec: where arcs are looked for

LAGS = {"lag_y": np.arange(4), "lag_x": np.arange(-3, 4)}
"""Axes of a table of noise correlation, pixels."""

LAG_SIZES = {dim: lags.size for dim, lags in LAGS.items()}

MASKBITS = dict(release("dr10", "south").maskbits)
"""Bits of MASKBITS in DR10 (legacysurvey.org/dr10/bitmasks)."""

CONFUSERS = (
    "edge_on",
    "face_on_disk",
    "blue_clumpy",
    "blend_merger",
    "bright_core_companion",
    "residual_structure",
    "psf_halo",
)
"""Classes of pool N2; the position is the bit in `confuser`."""
