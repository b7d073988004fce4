"""Stamps as a survey: rows of a manifest, and cutouts with the conditions they were observed under."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
from lenscal.io.survey.stamps.centring import is_native
from lenscal.io.survey.stamps.files import Stamp, read_stamps
from lenscal.io.survey.stamps.observing import Observed, observed
from lenscal.io.survey.stamps.profiles import DECLARED, Profile, StampError, choose, load_profiles
from lenscal.io.survey.stamps.psfs import PSF_SIZE, Measure, TablePsfs
from lenscal.io.survey.stamps.rows import row_of
from lenscal.io.survey.stamps.scaling import at_scale


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
    sets : mapping, optional
        Profiles of the run file, name -> keys; all of them where none is named in `profiles`.
    bands : sequence of str
        That every set must have.

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
        sets: Mapping[str, Mapping[str, object]] | None = None,
        bands: Sequence[str] = schema.BANDS,
    ) -> None:
        self.bands = tuple(bands)
        self.root, self._file = Path(root), declared
        self._declared = load_profiles(declared, sets)
        self._chosen = profiles or list(sets or ())
        self._resample, self._measure = resample, measure
        self._psfs = TablePsfs(self.root, self._declared, measure, bands)

    @cached_property
    def profiles(self) -> list[Profile]:
        """The sets that were chosen."""
        return choose(self._declared.profiles, self._chosen, self.bands)

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
        if any("table" in profile.psf for profile in self.profiles):
            _ = self._psfs.table, self._psfs.models
        return [f"{sum(len(self._stamps(profile)) for profile in self.profiles):,} stamps in {len(self.profiles)} sets"]

    def files(self) -> list[Path]:
        """Every file that is read: stamps of the chosen sets, their tables and PSFs, and, where a PSF comes from the
        table of conditions, that table and its models.
        """
        patterns = {profile.files.replace("{band}", band) for profile in self.profiles for band in profile.bands}
        found = {
            path for pattern in patterns for path in folders.matching((self.root / pattern).parent, Path(pattern).name)
        }
        found |= {self.root / name for profile in self.profiles for name in profile.more_files}
        if any("table" in profile.psf for profile in self.profiles):
            found |= {self.root / name for name in self._psfs.files()}
        inner = [path for folder in found if folder.is_dir() for path in folders.matching(folder, "**/*")]
        return sorted(path for path in (*found, *inner) if path.is_file())

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
        if "split" in table:
            table["split"] = table["split"].fillna("")
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
        data = unread(rows, size, bands=self.bands)
        data["psf"] = (
            ("galaxy", "band", "psf_y", "psf_x"),
            np.full((len(ids), len(self.bands), PSF_SIZE, PSF_SIZE), np.nan, np.float32),
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
            covered = self._holds(stamp)
            if covered < size:
                out["failure"][i] = (
                    f"stamp too small: it covers {covered} px of {schema.PIXEL_SCALE} arcsec, {size} are asked for"
                )
                continue
            image = self._pixels(stamp, size)
            weight = np.broadcast_to((1 / (observed.sigma**2 * observed.correlation))[:, None, None], image.shape)
            if stamp.given.weight is not None:  # NaN where a mask alone is given
                own = _about(stamp.given.weight, size)
                weight = np.where(np.isfinite(own), own, weight)
                image = np.where(own == 0, np.nan, image)
            if stamp.given.maskbits is not None:
                out["mask"][i] = _about(stamp.given.maskbits, size)
            out["image"][i] = image
            out["invvar"][i] = np.where(np.isfinite(image) & np.isfinite(weight), weight, 0)
        return data

    @property
    def trains(self) -> bool:
        """Whether some set holds lenses that a detector may be trained on."""
        return any(profile.use == "positive" for profile in self.profiles)

    def negatives(self) -> int:
        """Stamps that a threshold may rest on, at most: of sets without lenses, with a place on the sky or of val."""
        return sum(
            profile.split == "val" or stamp.fields.get("split") == "val" or bool(np.isfinite(stamp.ra))
            for profile in self.profiles
            if not profile.is_positive
            for stamp in self._stamps(profile)
        )

    def too_small(self, size: int) -> tuple[int, int, int, str]:
        """How many of all stamps cover fewer pixels than `size`, of how many; and the first of them: what it covers,
        and its file.
        """
        covered = [(self._holds(stamp), stamp.file) for one in self.profiles for stamp in self._stamps(one)]
        few = [(side, file) for side, file in covered if side < size]
        return len(few), len(covered), *(few[0] if few else (0, ""))

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
            self._loaded[profile.name] = [
                at_scale(profile, stamp, self._resample) for stamp in read_stamps(profile, self.root)
            ]
        return self._loaded[profile.name]

    def _covered(self, stamp: Stamp) -> int:
        """Largest odd side in survey pixels that the stamp covers whole."""
        side = self._holds(stamp)
        return side - (side % 2 == 0)

    @staticmethod
    def _holds(stamp: Stamp) -> int:
        """Largest side in survey pixels, with the object on pixel side // 2, that the stamp covers whole."""
        side = min(stamp.image.shape[-2:])
        if is_native(stamp.pixel_scale):
            return side
        side = int(side * stamp.pixel_scale / schema.PIXEL_SCALE + 1e-6)
        return side - (side % 2 == 0)

    def _pixels(self, stamp: Stamp, size: int) -> np.ndarray:
        """(band, size, size) at the survey's scale, the object on pixel size // 2."""
        if is_native(stamp.pixel_scale):
            return _about(stamp.image, size)
        odd = size + (size % 2 == 0)
        return self._resample(stamp.image, stamp.pixel_scale, schema.PIXEL_SCALE, odd)[:, :size, :size]

    @cached_property
    def _conditions(self) -> dict[str, list[Observed]]:
        return {}

    def _observed(self, profile: Profile) -> list[Observed]:
        if profile.name not in self._conditions:
            if self._measure is None:
                raise StampError(f"profile '{profile.name}' brings no PSF and no weights and needs a measure")
            stamps = self._stamps(profile)
            images = [self._pixels(stamp, self._covered(stamp)) for stamp in stamps]
            self._conditions[profile.name] = observed(profile, stamps, images, self._psfs, self._measure)
        return self._conditions[profile.name]


def _about(plane: np.ndarray, size: int) -> np.ndarray:
    """(..., size, size) about pixel n // 2 of both axes, which comes to lie on size // 2."""
    y, x = (n // 2 - size // 2 for n in plane.shape[-2:])
    return plane[..., y : y + size, x : x + size]
