"""What the cutout service answers: planes with the position and bands that were asked for, or why not."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence

import numpy as np
from astropy.io import fits

from lenscal import schema
from lenscal.io import orientation, units

PLACE_TOLERANCE = 0.5  # pixels
_FITS = b"SIMPLE  ="


class Again(RuntimeError):
    """An answer that is not what was asked for; another attempt may give it."""

    def __init__(self, reason: str, wait: float | None = None, of_place: bool = False) -> None:
        super().__init__(reason)
        self.wait = wait
        self.of_place = of_place
        """Whether the place asked for may be the reason, not the service."""


class Wrong(RuntimeError):
    """An answer that is whole and not what was asked for: no attempt will change it."""


def refusal(content: bytes) -> str:
    """A line of text about the layer that came in place of pixels, as the viewer sends with status 200;
    empty for anything else.
    """
    if len(content) > 500 or content.startswith((_FITS, b"<")):
        return ""
    text = " ".join(content.decode("ascii", "replace").split())
    return text if re.search(r"\blayer\b", text, re.IGNORECASE) else ""


def _planes(
    content: bytes, ra: float, dec: float, size: int, wanted: list[str], bands: Sequence[str] = schema.BANDS
) -> tuple[dict[str, np.ndarray], str]:
    """The planes of an answer, and the version it names, once they are what was asked for.

    Raises
    ------
    Again
        It is no FITS file, is cut short, lacks a plane, or is of another place or scale.
    Wrong
        It is of another size, unit or band.
    """
    if not content.startswith(_FITS):
        head = content[:60].decode("ascii", "replace").replace("\n", " ")
        raise Again(f"{len(content)} bytes that are no FITS file but begin with '{head}'")
    if len(content) % 2880:
        raise Again(f"a FITS file cut short: {len(content)} bytes are not whole records of 2880")
    try:
        with fits.open(io.BytesIO(content), memmap=False) as hdus:
            found = {
                str(hdu.header.get("IMAGETYP", "IMAGE")).strip().lower(): (hdu.data, hdu.header)
                for hdu in hdus
                if hdu.header.get("NAXIS", 0) > 0
            }
            found = {name: (None if data is None else np.array(data), header) for name, (data, header) in found.items()}
    except (OSError, ValueError, TypeError, KeyError, IndexError, fits.VerifyError) as error:
        raise Again(f"a FITS file that cannot be read ({error})") from error
    for plane in ("image", *wanted):
        if plane not in found or found[plane][0] is None:
            raise Again(
                f"no plane '{plane}' but {sorted(found)}; take out of survey.service.planes "
                "what the service does not offer"
            )
        data, header = found[plane]
        shape = (size, size) if plane == "maskbits" else (len(bands), size, size)
        if data.shape != shape:
            raise Wrong(f"plane '{plane}' has shape {data.shape}, not {shape}")
    header = found["image"][1]
    said = str(
        header.get("BANDS", "".join(str(header.get(f"BAND{i}", "?")).strip() for i in range(len(bands))))
    ).strip()
    if said != "".join(bands):
        raise Wrong(f"bands '{said}', not '{''.join(bands)}'")
    for plane, unit in (("image", "nanomaggy"), ("invvar", "1/nanomaggy^2")):
        if plane in found and (problem := units.problem(found[plane][1].get("BUNIT"), unit)):
            raise Wrong(f"plane '{plane}' {problem}")
    first = _placed(header, "image", ra, dec, size)
    for plane in wanted:
        if orientation.has_place(found[plane][1]) and orientation.cards(found[plane][1]) != orientation.cards(header):
            away = first.away(_placed(found[plane][1], plane, ra, dec, size))
            if away > orientation.PLACE_TOLERANCE:
                raise Again(f"plane '{plane}' that lies up to {away:.3g} pixels off the image")
    version = str(header.get("VERSION", header.get("SURVEY", ""))).strip()
    return {
        name: found[name][0].astype(np.int32 if name == "maskbits" else np.float32) for name in ("image", *wanted)
    }, version


def _placed(header: fits.Header, plane: str, ra: float, dec: float, size: int) -> orientation.Plane:
    """Where an answer lies, once it is North up at the survey's scale with the position in its middle."""
    try:
        placed = orientation.plane(header, (size, size))
        placed.check(schema.PIXEL_SCALE)
    except orientation.OrientationError as error:
        raise Again(f"plane '{plane}' that {error}, so its scale and place are not those asked for") from None
    there = placed.centre
    away = (
        np.array([((there[0] - ra + 180) % 360 - 180) * np.cos(np.deg2rad(dec)), there[1] - dec]) * 3600 / placed.scale
    )
    if not np.abs(away).max() <= PLACE_TOLERANCE:
        raise Again(f"a stamp about ra {there[0]:.7f}, dec {there[1]:.7f}, not about ra {ra}, dec {dec}")
    return placed
