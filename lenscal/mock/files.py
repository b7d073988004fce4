"""FITS, CSV and Parquet bytes that depend on their content only: no dates, no names of machines."""

from __future__ import annotations

import gzip
import hashlib
import io
from pathlib import Path

import numpy as np
from astropy.io import fits

MOCK_CARD = ("MOCK", True, "mock survey drawn by lenscal, not the real sky")
_TILE = (100, 100)


def _bytes(hdus: list) -> bytes:
    buffer = io.BytesIO()
    fits.HDUList(hdus).writeto(buffer)
    return buffer.getvalue()


def _primary() -> fits.PrimaryHDU:
    hdu = fits.PrimaryHDU()
    hdu.header.append(MOCK_CARD)
    return hdu


def table(columns: np.ndarray, units: dict[str, str], name: str, cards: list[tuple] | None = None) -> bytes:
    """A FITS file with one binary table, big-endian as the format has it."""
    hdu = fits.BinTableHDU(columns, name=name)
    for index, column in enumerate(columns.dtype.names, start=1):
        if column in units:
            hdu.header[f"TUNIT{index}"] = units[column]
    hdu.header.append(MOCK_CARD)
    for card in cards or []:
        hdu.header.append(card)
    return _bytes([_primary(), hdu])


def images(
    planes: list[tuple[str, np.ndarray, dict]], header: fits.Header, sigma: float | None = None, seed: int = 1
) -> bytes:
    """Tile-compressed images in one file.

    Parameters
    ----------
    planes : list of (extension name, array, extra cards)
    header : Header
        Cards that all of them have.
    sigma : float, optional
        Sky noise: the file is then quantised to a tenth of it (RICE, subtractive dither 2, which keeps exact zeros; NaN
        stays NaN). Without it nothing is lost.
    seed : int
        Of the dither.
    """
    hdus = [_primary()]
    for name, array, cards in planes:
        if sigma is not None:
            kind = {
                "compression_type": "RICE_1",
                "quantize_level": -0.1 * sigma,
                "quantize_method": 2,
                "dither_seed": seed,
            }
        elif array.dtype.kind == "f":
            kind = {"compression_type": "GZIP_2", "quantize_level": 0}
        else:
            kind = {"compression_type": "RICE_1"}
        hdu = fits.CompImageHDU(array, header=header.copy(), name=name, tile_shape=_TILE, **kind)
        for key, value in cards.items():
            hdu.header[key] = value
        hdus.append(hdu)
    return _timeless(_bytes(hdus))


def plain(planes: list[tuple[str, np.ndarray]]) -> bytes:
    """Images as they are, in one file: (extension name, array)."""
    hdus = [_primary()]
    for name, array in planes:
        hdu = fits.ImageHDU(array, name=name)
        hdu.header.append(MOCK_CARD)
        hdus.append(hdu)
    return _bytes(hdus)


def _timeless(content: bytes) -> bytes:
    """The same file with the time of compression taken out of the gzip header of every tile."""
    out = bytearray(content)
    with fits.open(io.BytesIO(content), disable_image_compression=True) as hdus:
        for hdu in hdus:
            if not isinstance(hdu, fits.BinTableHDU):
                continue
            heap = hdu.fileinfo()["datLoc"] + hdu.header.get("THEAP", hdu.header["NAXIS1"] * hdu.header["NAXIS2"])
            names = {"GZIP_COMPRESSED_DATA"} | (
                {"COMPRESSED_DATA"} if hdu.header["ZCMPTYPE"].startswith("GZIP") else set()
            )
            for name in names & set(hdu.columns.names):
                for length, offset in hdu.data.base[name].tolist():
                    if length:
                        out[heap + offset + 4 : heap + offset + 8] = bytes(4)
    return bytes(out)


def zipped(content: bytes) -> bytes:
    """Gzip without a name or time in it."""
    return gzip.compress(content, compresslevel=6, mtime=0)


def write(root: Path, place: str, content: bytes) -> tuple[str, str]:
    """Write under the survey's root; returns the place and the SHA-256 of the bytes."""
    path = root / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return place, hashlib.sha256(content).hexdigest()
