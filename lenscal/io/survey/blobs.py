"""Blob maps of a brick: which pixels were fitted together, in the file and extension that the release has them in."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np
from astropy.io import fits

from lenscal import schema

from .errors import PixelError


def read_blobs(root: str | Path, brickname: str, release: schema.Release) -> np.ndarray:
    """Number of the blob that each pixel of a brick belongs to.

    Parameters
    ----------
    root : path
        Of the survey.
    brickname : str
        Such as ``"1126p222"``.
    release : Release

    Returns
    -------
    (y, x) array of int32
        -1 where no source was detected.

    Raises
    ------
    PixelError
        The file is missing or broken, or its map lies in another extension than in this release.
    """
    place = str(release.blobs["file"]).format(region=release.region, AAA=brickname[:3], brick=brickname)
    path, number = Path(root) / place, int(release.blobs["extension"])
    try:
        with fits.open(path) as hdus:
            held = [k for k, hdu in enumerate(hdus) if hdu.is_image and hdu.header.get("NAXIS", 0) == 2]
            if number not in held:
                raise PixelError(
                    f"blobs: file '{place}' has no map in extension {number}, where {release.title} has it, but in "
                    f"{held or 'none'}; take the file of {release.title}"
                )
            return hdus[number].data.astype(np.int32)
    except FileNotFoundError:
        raise PixelError(f"blobs: file '{place}' is missing; copy it below survey.root") from None
    except (OSError, EOFError, ValueError, TypeError, zlib.error, gzip.BadGzipFile, fits.VerifyError) as error:
        if isinstance(error, PixelError):
            raise
        raise PixelError(f"blobs: file '{place}' cannot be read; copy it again ({type(error).__name__})") from error
