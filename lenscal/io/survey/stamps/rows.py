"""What the manifest says of a stamp: its place in its set, its light and its conditions."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lenscal import keys, schema
from lenscal.io.survey.stamps.centring import is_native
from lenscal.io.survey.stamps.files import Stamp
from lenscal.io.survey.stamps.observing import Observed
from lenscal.io.survey.stamps.profiles import Profile

APERTURE = 3.0  # arcsec, radius of the magnitudes


def row_of(profile: Profile, place: int, stamp: Stamp, observed: Observed) -> dict[str, object]:
    """The columns of `schema.MANIFEST` that a stamp can fill."""
    host = profile.use == "host" and observed.reason == ""
    fields = stamp.fields
    pool = "positive" if profile.is_positive else _told(fields, "pool", profile.pool) or "N1"
    host = profile.use == "host" and observed.reason == "" and pool == "N1"
    tier = _told(fields, "tier", profile.tier)
    if profile.is_positive and not tier:
        tier = "literature" if profile.use == "anchor" else "A"
    row = {
        "galaxy_id": keys.pack(place, profile.number),
        "release": 0,
        "brickid": profile.number,
        "objid": place,
        "brickname": _told(fields, "brickname", profile.name),
        "ra": stamp.ra,
        "dec": stamp.dec,
        "type": _told(fields, "type", profile.type).upper(),
        "nobs_z": int(fields.get("nobs_z", -1)),
        "pool": pool,
        "confuser_class": _told(fields, "confuser_class", profile.confuser_class),
        "label": int(profile.is_positive),
        "tier": tier,
        "role": "anchor" if profile.is_positive else "none",
        "host": host,
        "lens_id": _told(fields, "lens_id", None),
        "catalogue": profile.name if profile.is_positive else "",
        "condition_source": observed.source,
        "sweep_file": stamp.file,
        "row_index": stamp.row,
    }
    if split := _told(fields, "split", profile.split):
        row["split"] = split
    flux = _aperture(stamp)
    for i, band in enumerate(profile.asked):
        row[f"flux_{band}"] = flux[i]
        row[f"mag_{band}"] = schema.ZEROPOINT - 2.5 * np.log10(flux[i]) if flux[i] > 0 else np.nan
        row[f"psfsize_{band}"], row[f"psfdepth_{band}"] = observed.psfsize[i], observed.psfdepth[i]
    return row


def _told(fields: Mapping[str, object], name: str, of_set: str | None) -> str:
    """A text of one stamp, else of its set; empty where neither says one."""
    value = fields.get(name)
    said = "" if value is None or value != value else str(value).strip()
    return said or of_set or ""


def _aperture(stamp: Stamp) -> np.ndarray:
    """Flux within `APERTURE` of the centre, by band, the median of the stamp taken as the sky; NaN of a
    band that was not observed.
    """
    n_y, n_x = stamp.image.shape[-2:]
    y, x = np.ogrid[:n_y, :n_x]
    native = is_native(stamp.pixel_scale)
    middle = [n // 2 if native else (n - 1) / 2 for n in (n_y, n_x)]
    inside = np.hypot(y - middle[0], x - middle[1]) * stamp.pixel_scale <= APERTURE
    flux = np.full(len(stamp.image), np.nan)
    for b in np.flatnonzero(np.isfinite(stamp.image[:, inside]).any(axis=1)):
        flux[b] = np.nansum(stamp.image[b][inside] - np.nanmedian(stamp.image[b]))
    return flux
