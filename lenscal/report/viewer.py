"""Links to the public viewer of the Legacy Surveys; nothing is fetched."""

from __future__ import annotations

from urllib.parse import urlencode

import numpy as np

VIEWER = "https://www.legacysurvey.org/viewer"
ZOOM = 16  # 101 px of 0.262 arcsec fill a third of a screen


def link(ra: float, dec: float, layer: str) -> str:
    """Address of a place on the sky in the viewer; empty where the place is not known.

    Parameters
    ----------
    ra, dec : float
        Degree.
    layer : str
        As `survey.layer`, such as ``ls-dr10-south``.
    """
    if not (np.isfinite(ra) and np.isfinite(dec)):
        return ""
    return f"{VIEWER}?{urlencode({'ra': f'{ra:.6f}', 'dec': f'{dec:.6f}', 'layer': layer, 'zoom': ZOOM})}"
