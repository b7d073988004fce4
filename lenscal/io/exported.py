"""Images handed to others: parts of one size in a folder, in the format that they read, each with the ids of its rows.

A part is a file of its own (FITS, NPZ, HDF5), or a chunk of one Zarr store. Either way it is written whole, so that a
stopped export goes on.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np

from lenscal.errors import InputError
from lenscal.io import folders, stores

PART = 1024
"""Images of a part."""
FORMATS = ("zarr", "fits", "npz", "hdf5")
MANIFEST = "manifest.json"
IDS, IMAGE = "id", "image"


class Sink(Protocol):
    """A format in which parts are written."""

    def begin(self, total: int, shape: tuple[int, int, int], about: Mapping[str, object]) -> None:
        """Make what the parts go into; (band, y, x) is the shape of an image."""

    def write(self, part: int, ids: np.ndarray, images: np.ndarray) -> None:
        """Write a part whole: ids (n,) int64 and images (n, band, y, x) float32."""

    def files(self, part: int) -> list[str]:
        """Files of a part, relative to the folder."""


class Files:
    """One file a part.

    Parameters
    ----------
    folder : Path
    kind : str
        Stem of the files.
    suffix : str
        fits, npz or h5.
    """

    def __init__(self, folder: Path, kind: str, suffix: str) -> None:
        self._folder, self._kind, self._suffix = folder, kind, suffix
        self._about: dict[str, object] = {}

    def begin(self, total: int, shape: tuple[int, int, int], about: Mapping[str, object]) -> None:
        self._about = dict(about)

    def files(self, part: int) -> list[str]:
        return [f"{self._kind}-{part:06d}.{self._suffix}"]

    def write(self, part: int, ids: np.ndarray, images: np.ndarray) -> None:
        encode = {"npz": self._npz, "fits": self._fits, "h5": self._hdf5}[self._suffix]
        stores.write_bytes(self._folder / self.files(part)[0], encode(ids, images))

    def _npz(self, ids: np.ndarray, images: np.ndarray) -> bytes:
        sink = io.BytesIO()
        about = {name: np.array(value) for name, value in self._about.items()}
        np.savez(sink, **{IDS: ids, IMAGE: images}, **about)
        return sink.getvalue()

    def _fits(self, ids: np.ndarray, images: np.ndarray) -> bytes:
        from astropy.io import fits

        image = fits.ImageHDU(images, name="IMAGE")
        image.header["BUNIT"] = "nanomaggy"
        for n, band in enumerate(self._about["bands"]):  # type: ignore[arg-type]
            image.header[f"BAND{n}"] = (band, f"plane {n} of axis 3")
        image.header["PIXSCALE"] = (self._about["pixel_scale"], "arcsec")
        image.header["MAGZERO"] = (self._about["zeropoint"], "AB magnitude of one unit")
        table = fits.BinTableHDU.from_columns([fits.Column("id", "K", array=ids)], name="IDS")
        sink = io.BytesIO()
        fits.HDUList([fits.PrimaryHDU(), image, table]).writeto(sink)
        return sink.getvalue()

    def _hdf5(self, ids: np.ndarray, images: np.ndarray) -> bytes:
        import h5py

        sink = io.BytesIO()
        with h5py.File(sink, "w", libver="latest") as file:
            file[IDS], file[IMAGE] = ids, images
            file.attrs.update(self._about)
        return sink.getvalue()


class Store:
    """One Zarr store, a chunk a part."""

    def __init__(self, folder: Path, kind: str) -> None:
        self._folder, self._kind = folder, kind

    def begin(self, total: int, shape: tuple[int, int, int], about: Mapping[str, object]) -> None:
        import zarr

        path = self._folder / f"{self._kind}.zarr"
        if (path / "zarr.json").exists():
            return
        group = zarr.create_group(path, attributes={**about, "what": self._kind})
        group.create_array(IDS, shape=(total,), chunks=(PART,), dtype="i8", dimension_names=("row",), fill_value=-1)
        group.create_array(
            IMAGE,
            shape=(total, *shape),
            chunks=(PART, *shape),
            dtype="f4",
            dimension_names=("row", "band", "y", "x"),
            fill_value=np.nan,
            attributes={"units": "nanomaggy"},
        )
        zarr.consolidate_metadata(path)

    def files(self, part: int) -> list[str]:
        return [f"{self._kind}.zarr/{IDS}/c/{part}", f"{self._kind}.zarr/{IMAGE}/c/{part}/0/0/0"]

    def write(self, part: int, ids: np.ndarray, images: np.ndarray) -> None:
        import zarr

        group = zarr.open_group(self._folder / f"{self._kind}.zarr", mode="r+")
        rows = slice(part * PART, part * PART + len(ids))
        for name, values in ((IDS, ids), (IMAGE, images)):
            group[name][rows] = values  # type: ignore[index]


def sink_of(format_: str, folder: Path, kind: str) -> Sink:
    """The sink of a format.

    Raises
    ------
    InputError
        The format is none of `FORMATS`, or HDF5 without h5py.
    """
    if format_ not in FORMATS:
        raise InputError(f"export: format '{format_}' is unknown; expected one of {', '.join(FORMATS)}")
    if format_ == "hdf5":
        from lenscal.extras import named

        with named():
            import h5py  # noqa: F401
    return Store(folder, kind) if format_ == "zarr" else Files(folder, kind, {"hdf5": "h5"}.get(format_, format_))


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hex, as `sha256sum` prints it; empty when it is not there."""
    if not path.is_file():
        return ""
    with folders.saying(path, "read"), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Progress:
    """What of an export is complete, in a file a part, so that a stopped one goes on."""

    def __init__(self, folder: Path, address: str) -> None:
        self._folder, self.address = folder, address

    def refuse(self) -> None:
        """Refuse a folder that holds something else.

        Raises
        ------
        InputError
            It has files and no export, or another one.
        """
        if not self._folder.exists() or not any(self._folder.iterdir()):
            return
        marks = [self._folder / MANIFEST, self._folder / ".parts" / "export.json"]
        found = next((json.loads(mark.read_text()) for mark in marks if mark.is_file()), None)
        if found is None:
            raise InputError(f"export: '{self._folder}' is not empty and no export; name another folder")
        if found["address"] != self.address:
            raise InputError(
                f"export: '{self._folder}' holds an export of another run, kind or format ({found['what']}, "
                f"{found['format']}); name another folder, or remove it"
            )

    def begin(self, about: Mapping[str, object]) -> None:
        """Note what is exported."""
        stores.write_json(self._folder / ".parts" / "export.json", {"address": self.address, **about})

    def complete(self, kind: str, part: int, files: list[str]) -> dict[str, str] | None:
        """Checksums of a part that is there as it was written; None where it has to be written."""
        mark = self._folder / ".parts" / f"{kind}-{part:06d}.json"
        try:
            noted = json.loads(mark.read_text())
        except (OSError, ValueError):
            return None
        if noted.get("address") != self.address or set(noted["files"]) != set(files):
            return None
        return (
            noted["files"] if all(sha256(self._folder / name) == was for name, was in noted["files"].items()) else None
        )

    def note(self, kind: str, part: int, files: list[str]) -> dict[str, str]:
        """Mark a part as complete; its checksums come back."""
        sums = {name: sha256(self._folder / name) for name in files}
        stores.write_json(self._folder / ".parts" / f"{kind}-{part:06d}.json", {"address": self.address, "files": sums})
        return sums
