"""What is given of stamps beside their pixels: PSF, depth, weights, masks, and a table with a row for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lenscal.io.psfex import read_psfex
from lenscal.io.survey.stamps import arrays, axes, placing
from lenscal.io.survey.stamps.profiles import Profile, PsfImage, PsfModel, StampError
from lenscal.io.tables.reading import read_table
from lenscal.io.tables.stated_units import CatalogueError
from lenscal.kernels import psfs


@dataclass(frozen=True)
class Given:
    """Of one stamp, bands in the order that the profile asks for; None where nothing is given."""

    psf: np.ndarray | None = None
    """(band, y, x), odd sides, sum 1."""
    width: np.ndarray | None = None
    """(band,) of a Moffat profile [arcsec]: its FWHM or PSFSIZE, as the profile says."""
    depth: np.ndarray | None = None
    """(band,) 5-sigma depth of a point source [AB mag]."""
    weight: np.ndarray | None = None
    """(band, y, x) inverse variance [nanomaggy^-2]."""
    maskbits: np.ndarray | None = None
    """(y, x) as MASKBITS of the survey: the bits of any band."""


class Told:
    """What a profile tells of its set, read once: the table, and a PSF that is one for all.

    Raises
    ------
    StampError
        A file that cannot be read, or holds something else than is expected.
    """

    def __init__(self, profile: Profile, root: Path) -> None:
        self.profile, self.root = profile, root

    def _refuse(self, text: str) -> StampError:
        return StampError(f"profile '{self.profile.name}': {text}")

    @cached_property
    def table(self) -> pd.DataFrame | None:
        """The rows of the set, names of columns in small letters."""
        if self.profile.table is None:
            return None
        try:
            table = read_table(self.root / self.profile.table, text=("lens_id", "file"))
        except CatalogueError as error:
            raise self._refuse(f"table of stamps: {error}") from None
        table = table.rename(columns=lambda name: str(name).strip().lower())
        own = "class" in table and "confuser_class" not in table
        return table.assign(confuser_class=table["class"]) if own else table

    def columns(self, name: str, before: int, count: int) -> dict[str, np.ndarray]:
        """Of the stamps of one file: the rows that name it, else those of their places in the set."""
        table = self.table
        if table is None:
            return {}
        if "file" in table:
            files = table["file"].astype("str").str.strip()
            rows = table[(files == name) | (files == Path(name).name)]
            if len(rows) != count:
                raise self._refuse(
                    f"'{self.profile.table}' has {len(rows)} rows for '{name}', which holds {count} stamps; expected "
                    "one for each, with the name of its file in the column `file`"
                )
        else:
            rows = table.iloc[before : before + count]
            if len(rows) < count:
                raise self._refuse(
                    f"'{self.profile.table}' has {len(table)} rows, fewer than there are stamps; expected one for "
                    "each, in their order, or with the name of the file in a column `file`"
                )
        return {
            column: values.astype(object).where(values.notna(), np.nan if values.dtype.kind in "fiu" else "").to_numpy()
            if values.dtype == object
            else values.to_numpy()
            for column, values in rows.items()
        }

    def check(self, count: int) -> None:
        """The table has a row for each stamp of the set."""
        if self.table is not None and len(self.table) != count:
            raise self._refuse(
                f"'{self.profile.table}' has {len(self.table)} rows, and the set {count} stamps; expected one for each"
            )

    def of_file(
        self, name: str, content: arrays.Content, keys: Mapping[str, Any], shape: Sequence[int], factor: float
    ) -> list[Given]:
        """What is given of each stamp of a file; shape is (object, band, y, x), fluxes are multiplied by `factor`."""
        count, profile = shape[0], self.profile
        psf = self._psf(name, content, shape)
        widths = self._by_band(name, keys, profile.width, count, "width of the PSF")
        depths = self._by_band(name, keys, profile.depth, count, "depth")
        weight, bad, bits = (
            None if found is None else axes.planes_of(profile, name, found, shape, what)
            for what in ("weight", "mask", "maskbits")
            for found in [content.planes.get(what)]
        )
        if weight is not None:
            weight = np.where(np.isfinite(weight) & (weight > 0), weight, 0.0) / factor**2
        found = []
        for row in range(count):
            own = None if weight is None else weight[row]
            if bad is not None:
                own = np.where(bad[row] != 0, 0.0, np.nan if own is None else own)
            found.append(
                Given(
                    None if psf is None else psf[row],
                    None if widths is None else widths[row],
                    None if depths is None else depths[row],
                    own,
                    None if bits is None else np.bitwise_or.reduce(bits[row].astype(np.int64)),
                )
            )
        return found

    def _by_band(self, name: str, keys: Mapping[str, Any], value: object, count: int, what: str) -> np.ndarray | None:
        """(object, band) numbers: one for all, by band, or from keys."""
        if value is None:
            return None
        if isinstance(value, Mapping):
            return np.tile([float(value[band]) for band in self.profile.asked], (count, 1))
        if not isinstance(value, str):
            return np.full((count, len(self.profile.asked)), float(value))
        if "{band}" in value:
            return np.stack(
                [
                    self._number(name, keys, value.replace("{band}", band), count, what)[:, 0]
                    for band in self.profile.asked
                ],
                1,
            )
        found = self._number(name, keys, value, count, what)
        bands = len(self.profile.bands)
        of_file = self.table is None or value.lower() not in self.table
        if of_file and count == bands and found.shape[1] == 1 and len(np.unique(found)) > 1:
            raise self._refuse(
                f"'{name}': '{value}' ({what}) holds {count} numbers for {count} stamps in {count} bands, so they may "
                f"be of each stamp or of each band; write them as ({count}, {count}), or as a column of the set's table"
            )
        return np.tile(found, (1, len(self.profile.asked))) if found.shape[1] == 1 else found

    def _number(self, name: str, keys: Mapping[str, Any], key: str, count: int, what: str) -> np.ndarray:
        """(object, 1) or (object, band) numbers of a key."""
        if (found := placing.key_of(keys, key)) is None:
            raise self._refuse(f"'{name}' has no '{key}' ({what}); expected a key of the file or a column of its table")
        values = np.asarray(keys[found])
        try:
            values = values.astype(float)
        except (TypeError, ValueError):
            raise self._refuse(f"'{name}': '{key}' ({what}) holds no numbers") from None
        bands = len(self.profile.bands)
        order = [self.profile.bands.index(band) for band in self.profile.asked]
        if values.size == 1:
            return np.full((count, 1), values.reshape(-1)[0])
        if values.shape == (count,):
            return values[:, None]
        if values.shape == (count, bands):
            return values[:, order]
        if values.shape == (bands,):
            return np.tile(values[order], (count, 1))
        raise self._refuse(
            f"'{name}': '{key}' ({what}) has the shape {values.shape}; expected one number, or one for each stamp "
            f"({count}), band ({bands}) or both"
        )

    def _psf(self, name: str, content: arrays.Content, shape: Sequence[int]) -> np.ndarray | None:
        """(object, band, y, x) PSF images."""
        if any(isinstance(item, PsfModel) for item in self.profile.psf):
            return np.broadcast_to(self._model, (shape[0], *self._model.shape))
        if not any(isinstance(item, PsfImage) for item in self.profile.psf):
            return None
        found = content.planes.get("psf")
        found = self._one_psf if found is None else np.asarray(found, float)
        images = axes.psfs_of(self.profile, name, found, shape, of_all=content.planes.get("psf") is None)
        sides = images.shape[-2:]
        if any(side % 2 == 0 for side in sides):
            raise self._refuse(
                f"'{name}': its PSF has the sides {sides}; expected odd ones, with the star on the pixel in the middle"
            )
        total = images.sum(axis=(-2, -1), keepdims=True)
        if not (np.isfinite(images).all() and (total > 0).all()):
            raise self._refuse(f"'{name}': its PSF has no light or holds NaN; expected an image of a star")
        apart = images[:1] if images.strides[0] == 0 else images  # one for all stamps is looked at once
        for row, band in np.argwhere(~psfs.is_sound(apart))[:1]:
            reason = psfs.problem(apart[row, band])
            raise self._refuse(f"'{name}', stamp {row}, band {self.profile.asked[band]}: {reason}")
        return images / total

    @cached_property
    def _one_psf(self) -> np.ndarray:
        """A PSF in a file of its own."""
        item = next(item for item in self.profile.psf if isinstance(item, PsfImage))
        path = self.root / str(item.image)
        if not path.is_file():
            raise self._refuse(f"its PSF '{item.image}' is no key or HDU of its files, and no file below survey.root")
        return np.asarray(_image_of(self.profile, path), float)

    @cached_property
    def _model(self) -> np.ndarray:
        """(band, y, x) of PSFEx models."""
        item = next(item for item in self.profile.psf if isinstance(item, PsfModel))
        images = [read_psfex(self.root / item.model[band]).image() for band in self.profile.asked]
        side = max(len(image) for image in images)
        padded = [np.pad(image, (side - len(image)) // 2) for image in images]
        return np.array([image / image.sum() for image in padded])


def _image_of(profile: Profile, path: Path) -> np.ndarray:
    if arrays.kind_of(path) == "fits":
        return arrays.read_image(path, None)[0]
    with np.load(path, allow_pickle=False) as file:
        if len(file.files) != 1:
            raise StampError(
                f"profile '{profile.name}': its PSF '{path.name}' holds {', '.join(file.files)}; expected one array"
            )
        return file[file.files[0]]
