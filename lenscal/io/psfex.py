"""PSFEx models as legacypipe stores them: a polynomial of images over the CCD, evaluated at a position."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits

from lenscal.errors import LenscalError
from lenscal.io import folders

_KEYS = ("polzero1", "polzero2", "polscal1", "polscal2", "poldeg1", "psf_samp")


class PsfexError(LenscalError, ValueError):
    """A PSFEx file that cannot be used."""


@dataclass(frozen=True)
class PsfexModel:
    """One CCD's PSF.

    `basis` is (component, y, x) with the terms of the position polynomial in PSFEx's order: the powers of x grow first,
    1, x, x^2, y, x y, y^2 for degree 2. `zero` and `scale` are (x, y) in the CCD's FITS pixel coordinates.
    """

    basis: np.ndarray
    zero: tuple[float, float]
    scale: tuple[float, float]
    degree: int
    sampling: float = 1.0
    includes_pixel: bool = True

    def image(self, x: float | None = None, y: float | None = None) -> np.ndarray:
        """The PSF at a position of the CCD, pixel included, sum 1.

        Parameters
        ----------
        x, y : float
            FITS pixel coordinates (the first pixel is 1); the zero point of the polynomial, near the CCD's centre, when
            they are not given.

        Returns
        -------
        (n, n) float64 array
            n odd, the PSF's centre on the middle pixel; may be slightly negative in the wings, as fitted.
        """
        u = 0.0 if x is None else (x - self.zero[0]) / self.scale[0]
        v = 0.0 if y is None else (y - self.zero[1]) / self.scale[1]
        terms = [u**i * v**j for j in range(self.degree + 1) for i in range(self.degree + 1 - j)]
        image = np.tensordot(terms, self.basis, axes=1)
        return image / image.sum()


def read_psfex(path: str | Path, ccdname: str | None = None) -> PsfexModel:
    """The model of one CCD; both layouts are read (keys in the header of a one-row table, or in columns).

    Parameters
    ----------
    path : path
        FITS, may be gzipped.
    ccdname : str
        Needed for a merged file, which holds several CCDs.

    Raises
    ------
    PsfexError
        Not a PSFEx table, an unknown CCD, a polynomial that does not fit its components, or a model that is not
        sampled at the pixel.
    """
    path = Path(path)
    try:
        with fits.open(path, memmap=False) as hdus:
            table = next((hdu for hdu in hdus if isinstance(hdu, fits.BinTableHDU)), None)
            names = {} if table is None else {name.lower(): name for name in table.columns.names}
            if "psf_mask" not in names:
                raise PsfexError(f"'{path.name}' has no table with a PSF_MASK column, so it is no PSFEx model")
            row = table.data[_row(path, table.data, names, ccdname)]
            header = table.header
            said = lambda key: row[names[key]] if key in names else header.get(key.upper())  # noqa: E731
            positional = said("polnaxis") is None or int(said("polnaxis")) > 0
            wanted = _KEYS if positional else ("psf_samp",)
            missing = [key for key in wanted if said(key) is None]
            if missing:
                raise PsfexError(
                    f"'{path.name}' lacks {', '.join(key.upper() for key in missing)}, in its header and in its columns"
                )
            value = {key: float(said(key)) for key in wanted}
            axes = {
                key: int(said(key)) for key in ("polnaxis", "polngrp", "psfaxis1", "psfaxis2") if said(key) is not None
            }
            basis = np.array(row[names["psf_mask"]], dtype=np.float64)
    except PsfexError:
        raise
    except (OSError, EOFError, ValueError, TypeError, IndexError, fits.VerifyError) as error:
        folders.pass_on(error, path)
        raise PsfexError(f"'{path.name}' cannot be read as a PSFEx FITS table ({error}); copy it again") from None
    if axes.get("polnaxis", 2) not in (0, 2) or axes.get("polngrp", 1) > 1:
        raise PsfexError(
            f"'{path.name}' has a polynomial of POLNAXIS {axes.get('polnaxis')} and POLNGRP {axes.get('polngrp', 1)}; "
            "expected one of x and y, or none"
        )
    degree = int(value["poldeg1"]) if positional else 0
    basis = _unpadded(path, basis[None] if basis.ndim == 2 else basis, degree, axes)
    if not np.isfinite(basis).all() or not abs(basis[0].sum()) > 0:
        raise PsfexError(f"'{path.name}' holds images that are no PSF (no number, or a sum of 0); copy it again")
    if value["psf_samp"] != 1.0:
        raise PsfexError(
            f"'{path.name}' is sampled at {value['psf_samp']:g} px; only models sampled at "
            "the pixel (PSF_SAMP 1) are read"
        )
    if not positional:
        return PsfexModel(basis, (0.0, 0.0), (1.0, 1.0), 0)
    if not (value["polscal1"] and value["polscal2"]):
        raise PsfexError(
            f"'{path.name}' has POLSCAL {value['polscal1']:g}, {value['polscal2']:g}; expected the extent of the CCD"
        )
    return PsfexModel(basis, (value["polzero1"], value["polzero2"]), (value["polscal1"], value["polscal2"]), degree)


def _unpadded(path: Path, basis: np.ndarray, degree: int, axes: dict[str, int]) -> np.ndarray:
    """Images of the polynomial's own degree and size; merged files fill those of all CCDs up with zeros to the largest.

    Raises
    ------
    PsfexError
        There are other images than degree and size say, and they are no zeros.
    """
    terms = (degree + 1) * (degree + 2) // 2
    if basis.ndim != 3 or len(basis) < terms or np.any(basis[terms:] != 0):
        raise PsfexError(f"'{path.name}' has PSF_MASK of shape {basis.shape}; degree {degree} needs {terms} images")
    n_x, n_y = axes.get("psfaxis1", basis.shape[2]), axes.get("psfaxis2", basis.shape[1])
    own = basis[:terms, :n_y, :n_x]
    if own.shape[1:] != (n_y, n_x) or np.count_nonzero(own) != np.count_nonzero(basis[:terms]):
        raise PsfexError(
            f"'{path.name}' has images of {basis.shape[1:]} px; PSFAXIS says {n_y} x {n_x}, and the rest is not zero"
        )
    if n_x != n_y or n_x % 2 == 0:
        raise PsfexError(f"'{path.name}' has images of {(n_y, n_x)} px, not square and odd")
    return own


def _row(path: Path, data, names: dict[str, str], ccdname: str | None) -> int:  # noqa: ANN001
    if ccdname is None:
        if len(data) != 1:
            held = (
                ", ".join(str(name).strip() for name in data[names["ccdname"]])
                if "ccdname" in names
                else f"{len(data)} rows"
            )
            raise PsfexError(f"'{path.name}' holds several CCDs ({held}); say which with ccdname")
        return 0
    held = [str(name).strip() for name in data[names["ccdname"]]] if "ccdname" in names else []
    if ccdname not in held:
        raise PsfexError(f"'{path.name}' has no CCD '{ccdname}'; it holds {', '.join(held) or 'no names'}")
    return held.index(ccdname)
