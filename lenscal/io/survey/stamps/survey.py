"""Stamps as a survey: rows of a manifest, and cutouts with the conditions they were observed under."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import keys, schema
from lenscal.gates import Ledger
from lenscal.io import folders
from lenscal.io.empty import unread
from lenscal.io.folders import StoreError
from lenscal.io.psfex import read_psfex
from lenscal.io.survey.protocol import FileHash
from lenscal.io.survey.stamps.files import Stamp, read_stamps
from lenscal.io.survey.stamps.profiles import DECLARED, Profile, StampError, choose, load_profiles

SCALE_TOLERANCE = 0.005  # stamps nearer than this to the survey's pixel scale are taken as they are
PSF_SIZE = 63  # pixels, as the PSFEx models
APERTURE = 3.0  # arcsec, radius of the magnitudes
CORRELATION_MAX = 5.0  # beyond it the sky of a stamp holds light of sources


class Measure(Protocol):
    """What is measured on pixels; `lenscal.kernels.widths` is one."""

    def sky_noise(self, image: np.ndarray) -> tuple[float, float, float]: ...
    def star_psf(self, image: np.ndarray, sigma: np.ndarray, pixel_scale: float, size: int) -> np.ndarray | None: ...
    def psfsize(self, psf: np.ndarray, pixel_scale: float) -> np.ndarray: ...
    def depth(self, sigma: np.ndarray, correlation: np.ndarray, psf: np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True)
class Observed:
    """Conditions of one stamp, by band; NaN and None where they are not known, with the reason."""

    sigma: np.ndarray
    correlation: np.ndarray
    psf: np.ndarray | None
    psfsize: np.ndarray
    psfdepth: np.ndarray
    source: str
    reason: str


class StampSurvey:
    """Sets of stamps below one folder.

    Parameters
    ----------
    root : path
        Paths of the profiles are relative to it.
    profiles : list of str
        Names in `profiles.yaml`.
    resample : function (image, pixel_scale, new_scale, size) -> image, optional
        Flux-conserving; needed by sets that are not at the survey's pixel scale.
    measure : Measure, optional
        Needed for `rows` and `read`, since stamps bring no PSF and no weights.
    declared : path
        Another file of profiles.

    Raises
    ------
    StampError
        For a profile that is unknown or refused.
    """

    has_catalogue = False

    def __init__(
        self,
        root: str | Path,
        profiles: list[str],
        resample: Callable[[np.ndarray, float, float, int], np.ndarray] | None = None,
        measure: Measure | None = None,
        declared: str | Path = DECLARED,
    ) -> None:
        self.root, self._file = Path(root), declared
        self._declared = load_profiles(declared)
        self._chosen = profiles
        self._resample, self._measure = resample, measure

    @cached_property
    def profiles(self) -> list[Profile]:
        """The sets that were chosen."""
        return choose(self._declared.profiles, self._chosen)

    def tables(self) -> list[Path]:
        """Of bricks: none."""
        return []

    def pixel_inputs(self, hash_of: FileHash) -> dict[str, object]:
        """What declares the sets, and every file of theirs, by place and content.

        Raises
        ------
        StoreError
            The folder is missing.
        """
        if not self.root.is_dir():
            raise StoreError(f"input '{self.root}' is missing; check survey.root of the run file")
        return {
            "profiles": hash_of(Path(self._file)),
            "stamps": {path.relative_to(self.root).as_posix(): hash_of(path) for path in self.files()},
        }

    def check(self) -> list[str]:
        """Folder, stamps, PSF models and conditions are there and as declared.

        Raises
        ------
        StampError
            One sentence on the first thing that is not.
        """
        if not self.root.is_dir():
            raise StampError(f"survey.root '{self.root}' is no folder")
        for profile in self.profiles:
            self._stamps(profile)
        wanted = {source for profile in self.profiles for source in profile.psf}
        if "table" in wanted:
            _ = self._table, self._models
        return [f"{sum(len(self._stamps(profile)) for profile in self.profiles):,} stamps in {len(self.profiles)} sets"]

    def files(self) -> list[Path]:
        """Every file that is read: stamps of the chosen sets, and, where a PSF comes from the table,
        the table and its models.
        """
        patterns = {profile.files.replace("{band}", band) for profile in self.profiles for band in profile.bands}
        found = {
            path for pattern in patterns for path in folders.matching((self.root / pattern).parent, Path(pattern).name)
        }
        if any("table" in profile.psf for profile in self.profiles):
            models = self._declared.psf_models
            found |= {
                self.root / name
                for name in (
                    self._declared.conditions.file,
                    *(name for band in schema.BANDS for name in getattr(models, band)),
                )
            }
        return sorted(path for path in found if path.is_file())

    @property
    def ledger(self) -> Ledger:
        """Stamps of the host sets: in, hosts, and counted out by reason."""
        reasons = [
            seen.reason for profile in self.profiles if profile.use == "host" for seen in self._observed(profile)
        ]
        out = {reason: reasons.count(reason) for reason in sorted(set(reasons)) if reason}
        return Ledger(len(reasons), reasons.count(""), out)

    def rows(self) -> pd.DataFrame:
        """One row per stamp, by galaxy_id: the columns of `schema.MANIFEST` that stamps can fill.

        `galaxy_id` is the place in the set with the profile's number as the brick and release 0. Fluxes are those of
        the 3 arcsec aperture about the centre. `condition_source` says where the PSF comes from: ``measured`` (a star
        of the stamp), ``table``, or ``none``; the depth is always measured, with that PSF. A stamp of a host set
        without PSF or depth is a negative but no host: see `ledger`.
        """
        table = pd.DataFrame(
            [self._row(profile, place) for profile in self.profiles for place in range(len(self._stamps(profile)))]
        )
        return schema.MANIFEST.cast_table(table.sort_values("galaxy_id", ignore_index=True))

    def read(self, rows: pd.DataFrame, size: int) -> xr.Dataset:
        """Cutouts of rows, as `CoaddSurvey.read` gives them, with `psf`.

        Parameters
        ----------
        rows : DataFrame
            With `galaxy_id`, in the order wanted.
        size : int
            Side in pixels of 0.262 arcsec; the object sits on pixel ``size // 2``.

        Returns
        -------
        Dataset (galaxy, band, y, x)
            `invvar` is that of white noise: 1 / (sigma^2 A) with the measured sigma and noise correlation A, as the
            survey's own (it is propagated from exposures whose noise is white); 0 where nothing was observed.
        """
        ids = rows["galaxy_id"].to_numpy(np.int64)
        data = unread(rows, size)
        data["psf"] = (
            ("galaxy", "band", "psf_y", "psf_x"),
            np.full((len(ids), len(schema.BANDS), PSF_SIZE, PSF_SIZE), np.nan, np.float32),
            {"units": "1"},
        )
        out = {name: data[name].values for name in data.variables}
        for i, galaxy_id in enumerate(ids):
            profile, place = self._find(galaxy_id)
            stamp, observed = self._stamps(profile)[place], self._observed(profile)[place]
            out["cutout_url"][i], out["layer_version"][i] = stamp.file, profile.name
            out["download_timestamp"][i] = str(stamp.fields.get("download_timestamp", ""))
            out["psfsize"][i] = observed.psfsize
            if observed.psf is not None:
                out["psf"][i] = observed.psf
            covered = self._covered(stamp)
            if covered < size:
                out["failure"][i] = (
                    f"stamp too small: it covers {covered} px of {schema.PIXEL_SCALE} arcsec, {size} are asked for"
                )
                continue
            image = self._pixels(stamp, size)
            weight = 1 / (observed.sigma**2 * observed.correlation)
            out["image"][i] = image
            out["invvar"][i] = np.where(
                np.isfinite(image) & np.isfinite(weight[:, None, None]), weight[:, None, None], 0
            )
        return data

    def _find(self, galaxy_id: int) -> tuple[Profile, int]:
        place, number, release = keys.unpack(int(galaxy_id))
        for profile in self.profiles:
            if profile.number == number and place < len(self._stamps(profile)) and release == 0:
                return profile, place
        raise StampError(f"galaxy_id {galaxy_id} is no stamp of {', '.join(p.name for p in self.profiles)}")

    @cached_property
    def _loaded(self) -> dict[str, list[Stamp]]:
        return {}

    def _stamps(self, profile: Profile) -> list[Stamp]:
        if profile.name not in self._loaded:
            stamps = read_stamps(profile, self.root)
            for stamp in stamps:
                resampled = not self._native(stamp)
                if resampled and self._resample is None:
                    raise StampError(
                        f"profile '{profile.name}' is at {stamp.pixel_scale:.4f} arcsec per pixel "
                        "and needs a resample function"
                    )
                if not resampled and any(side % 2 == 0 for side in stamp.image.shape[-2:]):
                    raise StampError(
                        f"profile '{profile.name}': '{stamp.file}' has an even side {stamp.image.shape[-2:]}, "
                        "so its object is on no pixel"
                    )
            self._loaded[profile.name] = stamps
        return self._loaded[profile.name]

    @staticmethod
    def _native(stamp: Stamp) -> bool:
        return abs(stamp.pixel_scale / schema.PIXEL_SCALE - 1) <= SCALE_TOLERANCE

    def _covered(self, stamp: Stamp) -> int:
        """Largest odd side in survey pixels that the stamp covers whole."""
        side = min(stamp.image.shape[-2:])
        if not self._native(stamp):
            side = int(side * stamp.pixel_scale / schema.PIXEL_SCALE + 1e-6)
        return side - (side % 2 == 0)

    def _pixels(self, stamp: Stamp, size: int) -> np.ndarray:
        """(band, size, size) at the survey's scale."""
        odd = size + (size % 2 == 0)
        if self._native(stamp):
            n_y, n_x = stamp.image.shape[-2:]
            y, x = (n_y - size) // 2, (n_x - size) // 2
            return stamp.image[:, y : y + size, x : x + size]
        return self._resample(stamp.image, stamp.pixel_scale, schema.PIXEL_SCALE, odd)[:, :size, :size]

    @cached_property
    def _conditions(self) -> dict[str, list[Observed]]:
        return {}

    def _observed(self, profile: Profile) -> list[Observed]:
        if profile.name not in self._conditions:
            if self._measure is None:
                raise StampError(f"profile '{profile.name}' brings no PSF and no weights and needs a measure")
            self._conditions[profile.name] = self._observe(profile)
        return self._conditions[profile.name]

    def _observe(self, profile: Profile) -> list[Observed]:
        stamps = self._stamps(profile)
        images = [self._pixels(stamp, self._covered(stamp)) for stamp in stamps]
        noise = np.array([[self._measure.sky_noise(band)[1:] for band in image] for image in images])
        sigma, own = noise[..., 0], noise[..., 1]
        clean = np.all(own <= CORRELATION_MAX, axis=1)  # False for NaN as well
        # One instrument and one resampling: the correlation of a set is the median of its stamps, as one stamp tells it
        # to 20 %.
        correlation = np.median(own[clean], axis=0) if clean.any() else np.full(len(schema.BANDS), np.nan)
        return [
            self._conditions_of(profile, place, stamp, images[place], sigma[place], correlation, bool(clean[place]))
            for place, stamp in enumerate(stamps)
        ]

    def _conditions_of(self, profile, place, stamp, image, sigma, correlation, clean) -> Observed:  # noqa: ANN001
        unknown = np.full(len(schema.BANDS), np.nan)
        psf, source = self._psf(profile, stamp, image, sigma)
        if psf is None:
            tried = {"star": "no star in the stamp", "table": "no conditions nearby"}
            return Observed(
                sigma,
                correlation,
                None,
                unknown,
                unknown,
                "none",
                "no PSF: " + ", ".join(tried[s] for s in profile.psf),
            )
        width = self._measure.psfsize(psf, schema.PIXEL_SCALE)
        if not clean:
            return Observed(sigma, correlation, psf, width, unknown, source, "no depth: no sky free of light")
        return Observed(sigma, correlation, psf, width, self._measure.depth(sigma, correlation, psf), source, "")

    def _psf(self, profile, stamp, image, sigma) -> tuple[np.ndarray | None, str]:  # noqa: ANN001
        for source in profile.psf:
            if source == "star":
                psf, name = self._measure.star_psf(image, sigma, schema.PIXEL_SCALE, PSF_SIZE), "measured"
            else:
                psf, name = self._table_psf(stamp), "table"
            if psf is not None:
                return psf, name
        return None, "none"

    @cached_property
    def _models(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """PSFSIZE and image of the real models of each band."""
        models = self._declared.psf_models
        out = {}
        for band in schema.BANDS:
            images = [_fitted(read_psfex(self.root / path).image()) for path in getattr(models, band)]
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
    def _table(self) -> pd.DataFrame:
        """Positions (degrees) and PSFSIZE_R (arcsec) of the conditions table, rows without a position
        or r-band data left out.
        """
        declared = self._declared.conditions
        path = self.root / declared.file
        try:
            table = pd.read_csv(path)
        except (OSError, EOFError, ValueError) as error:
            folders.pass_on(error, path)
            raise StampError(f"conditions table '{path}' cannot be read ({error})") from None
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

    def _table_psf(self, stamp: Stamp) -> np.ndarray | None:
        declared = self._declared.conditions
        if not np.isfinite(stamp.ra):
            return None
        ra, dec = np.deg2rad(self._table["ra"].to_numpy()), np.deg2rad(self._table["dec"].to_numpy())
        here_ra, here_dec = np.deg2rad(stamp.ra), np.deg2rad(stamp.dec)
        haversine = np.sin((dec - here_dec) / 2) ** 2 + np.cos(dec) * np.cos(here_dec) * np.sin((ra - here_ra) / 2) ** 2
        distance = np.rad2deg(2 * np.arcsin(np.sqrt(haversine)))
        nearest = int(np.argmin(distance))
        if not distance[nearest] <= declared.radius_degree:
            return None
        width = self._table["psfsize_r"].iloc[nearest]
        images = []
        for band in schema.BANDS:
            widths, models = self._models[band]
            images.append(models[np.argmin(np.abs(widths - width * declared.width_of_band[band]))])
        return np.array(images)

    def _row(self, profile: Profile, place: int) -> dict[str, object]:
        stamp, observed = self._stamps(profile)[place], self._observed(profile)[place]
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


def _fitted(image: np.ndarray) -> np.ndarray:
    """A PSF image on PSF_SIZE pixels about the same centre, sum 1."""
    if len(image) < PSF_SIZE:
        image = np.pad(image, (PSF_SIZE - len(image)) // 2)
    start = (len(image) - PSF_SIZE) // 2
    image = image[start : start + PSF_SIZE, start : start + PSF_SIZE]
    return image / image.sum()


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
