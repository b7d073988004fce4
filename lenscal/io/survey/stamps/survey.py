"""Stamps as a survey: rows of a manifest, and cutouts with the conditions they were observed under."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import keys, schema
from lenscal.gates import Ledger
from lenscal.io import folders
from lenscal.io.empty import unread
from lenscal.io.folders import StoreError
from lenscal.io.survey.protocol import FileHash
from lenscal.io.survey.stamps.files import Stamp, read_stamps
from lenscal.io.survey.stamps.profiles import DECLARED, Profile, StampError, choose, load_profiles
from lenscal.io.survey.stamps.psfs import PSF_SIZE, Measure, Observed, TablePsfs
from lenscal.io.survey.stamps.rows import row_of

SCALE_TOLERANCE = 0.005  # stamps nearer than this to the survey's pixel scale are taken as they are
CORRELATION_MAX = 5.0  # beyond it the sky of a stamp holds light of sources


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
        self._psfs = TablePsfs(self.root, self._declared, measure)

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
            _ = self._psfs.table, self._psfs.models
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
            [
                row_of(profile, place, stamp, self._observed(profile)[place])
                for profile in self.profiles
                for place, stamp in enumerate(self._stamps(profile))
            ]
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
                psf, name = self._psfs.of(stamp), "table"
            if psf is not None:
                return psf, name
        return None, "none"
