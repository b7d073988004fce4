"""A survey of bricks at an address (s3, https): each brick is fetched to this machine when a block needs it, kept while
its neighbours are read, and removed with the process.
"""

from __future__ import annotations

import atexit
import hashlib
import shutil
import tempfile
from collections import OrderedDict
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any

import numpy as np

from lenscal import schema
from lenscal.io import folders, remote
from lenscal.io.survey.coadds import CoaddSurvey
from lenscal.io.survey.errors import PixelError, SurveyError
from lenscal.io.survey.geometry import read_geometry

if TYPE_CHECKING:
    from lenscal.io.survey.bricks import BrickFiles

KEPT = 24
"""Bricks that a process keeps: those about the galaxies of a block that lie beside each other."""
LOOKED_AT = 8
"""Bricks whose files `check` looks for, evenly spread."""
_PLANES = ("image", "invvar", "nexp", "psfsize")


class FetchedCoadds(CoaddSurvey):
    """The coadds of a survey below an address.

    Parameters
    ----------
    address : str
        Such as ``s3://bucket/dr10``, laid out as `CoaddSurvey` has it.
    layer, mock, release, bands
        As of `CoaddSurvey`.
    """

    def __init__(
        self,
        address: str,
        layer: str,
        mock: bool = False,
        release: schema.Release | None = None,
        bands: Sequence[str] = schema.BANDS,
    ) -> None:
        super().__init__("", layer, mock, release, bands)
        self._release = release
        self._address = str(address).rstrip("/")
        self._lock = RLock()
        self._kept: OrderedDict[str, dict[str, str]] = OrderedDict()

    def __getstate__(self) -> tuple[str, str, bool, schema.Release | None, tuple[str, ...]]:
        return self._address, self.layer, self.mock, self._release, self.bands

    def __setstate__(self, state: tuple[str, str, bool, schema.Release | None, tuple[str, ...]]) -> None:
        self.__init__(*state)

    @cached_property
    def _there(self) -> tuple[Any, str]:
        return remote.filesystem(self._address)

    @cached_property
    def _folder(self) -> Path:
        folder = Path(tempfile.mkdtemp(prefix="lenscal-bricks-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        return folder

    @property
    def root(self) -> Path:
        """The folder of what was fetched; the tables of bricks are there from the first time on."""
        with self._lock:
            if not (self._folder / ".tables").exists():
                for place in ("", f"{self._region}/"):
                    for name in self._listing(place):
                        if name.startswith("survey-bricks") and name.endswith(".fits.gz"):
                            self._fetch(f"{place}{name}")
                (self._folder / ".tables").touch()
        return self._folder

    def _listing(self, place: str) -> dict[str, str]:
        """Files of a folder below the address, each with its version; none where there is no such folder."""
        files, base = self._there
        at = f"{base.rstrip('/')}/{place}".rstrip("/")
        try:
            found = remote.patiently(f"'{self._address}/{place}'", lambda: files.ls(at, detail=True, refresh=True))
        except (FileNotFoundError, NotADirectoryError):
            return {}
        return {item["name"].rstrip("/").rsplit("/", 1)[-1]: folders.version(item) for item in found}

    def _fetch(self, name: str) -> None:
        """Copy one file below the address; it is there whole or not at all."""
        files, base = self._there
        to = self._folder / name
        to.parent.mkdir(parents=True, exist_ok=True)
        part = to.with_name(f".{to.name}.part")
        at = f"{base.rstrip('/')}/{name}"
        remote.patiently(f"'{self._address}/{name}'", lambda: files.get_file(at, str(part)))
        part.replace(to)

    def _listed(self, brickname: str) -> tuple[str, dict[str, str]]:
        """Folder of a brick below the address, and its planes with their versions."""
        below = f"coadd/{brickname[:3]}/{brickname}/"
        wanted = {f"legacysurvey-{brickname}-maskbits.fits.fz"} | {
            f"legacysurvey-{brickname}-{plane}-{band}.fits.fz" for plane in _PLANES for band in self.bands
        }
        for place in (f"{self._region}/{below}", below):
            found = {name: version for name, version in self._listing(place).items() if name in wanted}
            if found:
                return place, found
        return f"{self._region}/{below}", {}

    def version(self, brickname: str) -> str:
        """Hash of names and versions of the planes of a brick at the address."""
        _, found = self._listed(brickname)
        if not found:
            return "absent"
        return hashlib.blake2b(repr(sorted(found.items())).encode(), digest_size=8).hexdigest()

    def brick(self, brickname: str, keep: bool = False) -> BrickFiles:
        """See `CoaddSurvey.brick`; its planes are fetched where they are not here as they are there.

        Raises
        ------
        PixelError
            The address has none.
        RemoteError
            It does not answer.
        """
        from lenscal.io.survey.bricks import BrickFiles

        name = str(brickname)
        with self._lock:
            root, (place, found) = self.root, self._listed(name)
            if not found:
                raise PixelError(f"brick: '{name}' has no folder; expected '{place.rstrip('/')}'")
            if self._kept.get(name) != found:
                for file in found:
                    self._fetch(f"{place}{file}")
                self._kept[name] = found
            self._kept.move_to_end(name)
            while len(self._kept) > KEPT:
                old, _ = self._kept.popitem(last=False)
                for folder in root.glob(f"**/coadd/{old[:3]}/{old}"):
                    shutil.rmtree(folder, ignore_errors=True)
            return BrickFiles(root / place, name, root=root, keep=keep, bands=self.bands)

    def check(self) -> list[str]:
        """See `CoaddSurvey.check`; a few bricks are looked for, and none is fetched."""
        names = read_geometry(self.root, self._region, self._names).names
        sample = names[np.unique(np.linspace(0, len(names) - 1, LOOKED_AT).astype(int))]
        needed = 2 * len(self.bands) + 1
        lacking = [name for name in sample if _required(self._listed(name)[1]) < needed]
        if len(lacking) == len(sample):
            raise SurveyError(
                f"survey root '{self._address}' lists {len(names)} bricks and has the files of none that was looked "
                f"for; the first: {lacking[0]}, expected {self._region}/coadd/{lacking[0][:3]}/{lacking[0]}/"
            )
        found = [
            f"{len(names)} bricks listed",
            f"{len(sample) - len(lacking)} bricks of the {len(sample)} looked at with image and invvar in "
            f"{', '.join(self.bands)} and maskbits",
        ]
        return found + ([f"without files: {', '.join(lacking)}"] if lacking else [])


def _required(files: dict[str, str]) -> int:
    return sum("-image-" in name or "-invvar-" in name or "-maskbits" in name for name in files)
