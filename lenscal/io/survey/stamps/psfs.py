"""PSFs that stamps are given by the table of conditions: real models, of the seeing at the nearest position."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd

from lenscal import schema
from lenscal.io.psfex import read_psfex
from lenscal.io.survey.stamps.files import Stamp
from lenscal.io.survey.stamps.profiles import Declarations, StampError
from lenscal.io.tables.reading import read_table
from lenscal.io.tables.stated_units import CatalogueError

PSF_SIZE = 63  # pixels, as the PSFEx models


class Measure(Protocol):
    """What is measured on pixels; `lenscal.kernels.widths` is one."""

    def sky_noise(self, image: np.ndarray) -> tuple[float, float, float]: ...
    def star_psf(self, image: np.ndarray, sigma: np.ndarray, pixel_scale: float, size: int) -> np.ndarray | None: ...
    def psfsize(self, psf: np.ndarray, pixel_scale: float) -> np.ndarray: ...
    def depth(self, sigma: np.ndarray, correlation: np.ndarray, psf: np.ndarray) -> np.ndarray: ...


class TablePsfs:
    """Real PSF models, chosen by the seeing that a table of conditions has nearest to a stamp.

    Parameters
    ----------
    root : path
        Of the table and the models.
    declared
        What `profiles.yaml` says of both.
    measure : Measure, optional
        Needed for the width of the models.
    bands : sequence of str
        Of the PSFs.
    """

    def __init__(
        self,
        root: Path,
        declared: Declarations,
        measure: Measure | None,
        bands: Sequence[str] = schema.BANDS,
    ) -> None:
        self.root, self._declared, self._measure, self.bands = root, declared, measure, tuple(bands)

    def files(self) -> list[str]:
        """The table and the models, below the root.

        Raises
        ------
        StampError
            The file of profiles declares none.
        """
        conditions, models = self._declared.conditions, self._declared.psf_models
        if conditions is None or models is None:
            raise StampError(
                "`psf: table` takes the seeing from a table of conditions and the PSF from models; declare "
                "`conditions` and `psf_models` in the file of profiles, or give the PSF (psf: image, fwhm or model)"
            )
        held = [band for band in self.bands if getattr(models, band) and band in conditions.width_of_band]
        if lacking := [band for band in self.bands if band not in held]:
            raise StampError(
                f"`psf: table` has no PSF models in {', '.join(lacking)} (it has {', '.join(held)}); add them to "
                "`psf_models` and `conditions.width_of_band`, or give the PSF (psf: image, fwhm or model)"
            )
        return [conditions.file, *(name for band in self.bands for name in getattr(models, band))]

    @cached_property
    def models(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """PSFSIZE and image of the real models of each band."""
        self.files()
        models = self._declared.psf_models
        out = {}
        for band in self.bands:
            images = [fitted(read_psfex(self.root / path).image()) for path in getattr(models, band)]
            widths = np.array([float(self._measured_width(image)) for image in images])
            if not np.isfinite(widths).all():
                raise StampError(
                    f"PSF model '{getattr(models, band)[int(np.argmin(np.isfinite(widths)))]}' has no width; copy it "
                    "again, or take it out of the profiles"
                )
            out[band] = widths, np.array(images)
        return out

    def _measured_width(self, image: np.ndarray) -> float:
        if self._measure is None:
            raise StampError("real PSF models need a measure")
        return self._measure.psfsize(image, self._declared.psf_models.pixel_scale)

    @cached_property
    def table(self) -> pd.DataFrame:
        """Positions (degrees) and PSFSIZE_R (arcsec) of the conditions table, rows without a position
        or r-band data left out.
        """
        self.files()
        declared = self._declared.conditions
        path = self.root / declared.file
        try:
            table = read_table(path)
        except CatalogueError as error:
            raise StampError(f"conditions table: {error}") from None
        columns = {declared.ra: "ra", declared.dec: "dec", declared.psfsize_r: "psfsize_r"}
        if missing := [name for name in columns if name not in table.columns]:
            raise StampError(f"conditions table '{path}' has no column {', '.join(missing)}")
        table = table.rename(columns=columns)[["ra", "dec", "psfsize_r"]].apply(pd.to_numeric, errors="coerce")
        placed = table["ra"].between(-180, 360) & table["dec"].between(-90, 90)
        table = table[placed & table["psfsize_r"].gt(0) & np.isfinite(table["psfsize_r"])].reset_index(drop=True)
        if table.empty:
            raise StampError(
                f"conditions table '{path}' has no row with a position and a seeing in r; expected degrees and arcsec"
            )
        return table

    def of(self, stamp: Stamp) -> np.ndarray | None:
        """The models of a stamp (band, y, x); None without a position, or with none of the table near it."""
        declared = self._declared.conditions
        if not np.isfinite(stamp.ra):
            return None
        ra, dec = np.deg2rad(self.table["ra"].to_numpy()), np.deg2rad(self.table["dec"].to_numpy())
        here_ra, here_dec = np.deg2rad(stamp.ra), np.deg2rad(stamp.dec)
        haversine = np.sin((dec - here_dec) / 2) ** 2 + np.cos(dec) * np.cos(here_dec) * np.sin((ra - here_ra) / 2) ** 2
        distance = np.rad2deg(2 * np.arcsin(np.sqrt(haversine)))
        nearest = int(np.argmin(distance))
        if not distance[nearest] <= declared.radius_degree:
            return None
        width = self.table["psfsize_r"].iloc[nearest]
        images = []
        for band in self.bands:
            widths, models = self.models[band]
            images.append(models[np.argmin(np.abs(widths - width * declared.width_of_band[band]))])
        return np.array(images)


def fitted(image: np.ndarray) -> np.ndarray:
    """A PSF image on PSF_SIZE pixels about the same centre, sum 1."""
    image = np.pad(image, [(max(PSF_SIZE - side, 0) // 2,) * 2 for side in image.shape])
    y, x = ((side - PSF_SIZE) // 2 for side in image.shape)
    image = image[y : y + PSF_SIZE, x : x + PSF_SIZE]
    return image / image.sum()
