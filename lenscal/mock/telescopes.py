"""What the telescopes of a region make of the same sky: seeing and depth of the bands beside r, sky light, and noise.

Those of DECam are measured on DR10, but for the seeing and depth in i, which are rough values, set by hand, as those of
BASS and MzLS are. The correlation of the noise of BASS in g and r is that of pixels of 0.454 arcsec resampled to 0.262;
none of it is measured here.
"""

from __future__ import annotations

from dataclasses import dataclass

from lenscal import schema

DR10 = schema.release("dr10", "south")
Lags = tuple[float, ...]
_COADD = (1.0, 0.19, -0.09, 0.03), (1.0, 0.27, -0.08, 0.02)
"""Autocorrelation along x and y at lags 0 to 3 px, as measured on DR10 cutouts."""
_COARSE = (1.0, 0.42, 0.0, -0.05), (1.0, 0.45, 0.0, -0.05)


@dataclass(frozen=True)
class Telescopes:
    """Of a region, by band."""

    psfsize: dict[str, float]
    """PSFSIZE over that of r."""
    depth: dict[str, float]
    """Depth less that of r [mag]."""
    sky: dict[str, float]
    """Dark sky [nanomaggy per pixel]."""
    noise: dict[str, tuple[Lags, Lags]]
    """Autocorrelation of the noise along x and y."""


TELESCOPES = {
    "DECam": Telescopes(
        psfsize={"g": 1.06, "i": 0.97, "z": 0.95},
        depth={"g": 0.45, "i": -0.45, "z": -0.85},
        sky={"g": 0.105, "r": 0.297, "i": 0.913, "z": 2.84},  # 22.04, 20.91, 19.69, 18.46 mag / arcsec^2
        noise=dict.fromkeys(schema.OPTICAL, _COADD),
    ),
    "BASS and MzLS": Telescopes(
        psfsize={"g": 1.12, "z": 0.71},
        depth={"g": 0.55, "z": -0.45},
        sky={"g": 0.131, "r": 0.329, "z": 3.0},  # 21.8, 20.8, 18.4 mag / arcsec^2
        noise={"g": _COARSE, "r": _COARSE, "z": _COADD},
    ),
}
"""By `telescopes` of lenscal/releases.yaml."""


def of(release: schema.Release) -> Telescopes:
    """Those that observed a region."""
    return TELESCOPES[release.telescopes]
