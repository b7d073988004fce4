"""What the manifest says of a stamp: its place in its set, its light and its conditions."""

from __future__ import annotations

import numpy as np

from lenscal import keys, schema
from lenscal.io.survey.stamps.files import Stamp
from lenscal.io.survey.stamps.profiles import Profile
from lenscal.io.survey.stamps.psfs import Observed

APERTURE = 3.0  # arcsec, radius of the magnitudes


def row_of(profile: Profile, place: int, stamp: Stamp, observed: Observed) -> dict[str, object]:
    """The columns of `schema.MANIFEST` that a stamp can fill."""
    host = profile.use == "host" and observed.reason == ""
    fields = stamp.fields
    row = {
        "galaxy_id": keys.pack(place, profile.number),
        "release": 0,
        "brickid": profile.number,
        "objid": place,
        "brickname": str(fields.get("brickname", profile.name)),
        "ra": stamp.ra,
        "dec": stamp.dec,
        "type": str(fields.get("type", "")).strip().upper(),
        "nobs_z": int(fields.get("nobs_z", -1)),
        "pool": "N1" if profile.use == "host" else "positive",
        "label": 0 if profile.use == "host" else 1,
        "tier": str(fields.get("tier", "")),
        "role": "none" if profile.use == "host" else "anchor",
        "host": host,
        "lens_id": str(fields.get("lens_id", "")),
        "catalogue": profile.name if profile.use == "anchor" else "",
        "condition_source": observed.source,
        "sweep_file": stamp.file,
        "row_index": stamp.row,
    }
    flux = _aperture(stamp)
    for i, band in enumerate(schema.BANDS):
        row[f"flux_{band}"] = flux[i]
        row[f"mag_{band}"] = schema.ZEROPOINT - 2.5 * np.log10(flux[i]) if flux[i] > 0 else np.nan
        row[f"psfsize_{band}"], row[f"psfdepth_{band}"] = observed.psfsize[i], observed.psfdepth[i]
    return row


def _aperture(stamp: Stamp) -> np.ndarray:
    """Flux within `APERTURE` of the centre, by band, the median of the stamp taken as the sky; NaN of a
    band that was not observed.
    """
    n_y, n_x = stamp.image.shape[-2:]
    y, x = np.ogrid[:n_y, :n_x]
    inside = np.hypot(y - (n_y - 1) / 2, x - (n_x - 1) / 2) * stamp.pixel_scale <= APERTURE
    flux = np.full(len(stamp.image), np.nan)
    for b in np.flatnonzero(np.isfinite(stamp.image[:, inside]).any(axis=1)):
        flux[b] = np.nansum(stamp.image[b][inside] - np.nanmedian(stamp.image[b]))
    return flux
