"""One brick of the coadds: its planes, checked and cut around positions, pixels as they are on disk."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyUserWarning

from lenscal import schema
from lenscal.io import folders, orientation, planes

from .errors import PixelError
from .squares import _boxes
from .stated import stated_problem

SECTION = 200  # pixels: reading a section takes as long as decompressing, in a whole plane, a square that much larger
_BROKEN = (
    OSError,
    EOFError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    RuntimeError,
    struct.error,
    zlib.error,
    fits.VerifyError,
)


class BrickFiles:
    """The planes of one brick, wherever its folder is.

    Parameters
    ----------
    folder : path
        Holds ``legacysurvey-<brick>-{image,invvar,nexp,psfsize}-<band>.fits.fz`` and
        ``legacysurvey-<brick>-maskbits.fits.fz``. nexp and psfsize may be absent, the others may not.
    brickname : str
        Such as ``"1126p222"``.
    root : path, optional
        Messages and `url` name files relative to it, so that they do not depend on where the survey lies.
    keep : bool
        Decompress each plane once and keep it (about 0.7 GB for a brick of DR10): for many calls on one brick.
    bands : sequence of str
        That are read; all are required.
    """

    def __init__(
        self,
        folder: str | Path,
        brickname: str,
        root: str | Path | None = None,
        keep: bool = False,
        bands: Sequence[str] = schema.BANDS,
    ) -> None:
        self.bands = tuple(bands)
        self.folder, self.brickname, self.keep = Path(folder), str(brickname), keep
        self._root = Path(root) if root is not None else self.folder
        self._planes: dict[tuple[str, str], np.ndarray] = {}

    def path(self, product: str, band: str = "") -> Path:
        """Of one plane."""
        return self.folder / f"legacysurvey-{self.brickname}-{product}{'-' if band else ''}{band}.fits.fz"

    def name(self, product: str, band: str = "") -> str:
        """Of one plane's file, relative to the root."""
        path = self.path(product, band)
        return path.relative_to(self._root).as_posix() if path.is_relative_to(self._root) else path.name

    @property
    def url(self) -> str:
        """Files of the images, relative to the root."""
        return self.name("image", "{" + ",".join(self.bands) + "}")

    def require(self) -> None:
        """All that a cutout needs is there.

        Raises
        ------
        PixelError
            Naming the first file that is missing, with its band.
        """
        wanted = [(product, band) for band in self.bands for product in ("image", "invvar")] + [("maskbits", "")]
        for product, band in wanted:
            if not self.path(product, band).is_file():
                raise PixelError(
                    f"{_kind(product, band)}: file '{self.name(product, band)}' is missing; "
                    f"{', '.join(self.bands)} are all required"
                )

    @cached_property
    def _header(self) -> tuple[orientation.Plane, tuple[int, int], str, dict[str, object]]:
        with self._open("image", self.bands[0]) as hdu:
            return (
                self._plane(hdu, "image", self.bands[0]),
                hdu.shape,
                str(hdu.header.get("DRVERSIO", "")),
                orientation.cards(hdu.header),
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of every plane."""
        return self._header[1]

    @property
    def release(self) -> str:
        """DRVERSIO of the images; empty when they have none."""
        return self._header[2]

    def pixels(self, ra: np.ndarray, dec: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Zero-based pixel coordinates (x, y) of positions in degrees; NaN where the projection does not reach."""
        x, y = self._header[0].wcs.wcs_world2pix(np.asarray(ra, float), np.asarray(dec, float), 0)
        return x, y

    def margin(self, ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
        """Distance in pixels of positions from the nearest edge of the image; negative outside, -inf on
        the other side of the sky.
        """
        n_y, n_x = self.shape
        with np.errstate(invalid="ignore"):
            x, y = self.pixels(ra, dec)
        margin = np.minimum(np.minimum(x + 0.5, n_x - 0.5 - x), np.minimum(y + 0.5, n_y - 0.5 - y))
        # TAN also maps the far hemisphere: keep what is within reach of the brick on the sphere.
        centre = np.deg2rad(self._header[0].wcs.wcs.crval)
        ra, dec = np.deg2rad(np.asarray(ra, float)), np.deg2rad(np.asarray(dec, float))
        near = np.sin(dec) * np.sin(centre[1]) + np.cos(dec) * np.cos(centre[1]) * np.cos(ra - centre[0]) > 0
        return np.where(near & np.isfinite(margin), margin, -np.inf)

    def read(self, ra: np.ndarray, dec: np.ndarray, size: int) -> dict[str, np.ndarray]:
        """Stamps about positions: the pixel nearest to the position is pixel ``size // 2`` of both
        axes, nothing is resampled.

        A pixel is unobserved (image NaN, inverse variance 0) outside the brick, where nexp is 0, and where the inverse
        variance is no positive number (in a sound coadd the same pixels; their image is exactly 0, or filled in from
        masked data).

        Parameters
        ----------
        ra, dec : (n,) arrays
            In degrees, each inside the image (`margin` > 0).
        size : int
            Side of the stamps in pixels.

        Returns
        -------
        dict
            image, invvar (n, band, y, x) float32; mask (n, y, x) int32; psfsize (n, band) float32, arcsec, NaN where
            there is none; edge_pixel_count (n,) int32, pixels of a stamp that lie outside the brick.

        Raises
        ------
        PixelError
            A file is missing, truncated or corrupt, in other units, of another shape, scale or place than its sisters.
        DiskError
            The disk does not give one: its rows are not known to fail.
        """
        self.require()
        x, y = self.pixels(ra, dec)
        column, row = (np.floor(v + 0.5).astype(np.int64) for v in (x, y))
        boxes = np.stack([row - size // 2, column - size // 2], axis=1)
        n = len(boxes)
        image = np.empty((n, len(self.bands), size, size), np.float32)
        invvar = np.empty_like(image)
        psfsize = np.full((n, len(self.bands)), np.nan, np.float32)
        for b, band in enumerate(self.bands):
            pixels = self._cut("image", band, boxes, size)
            weight = self._cut("invvar", band, boxes, size)
            unseen = ~np.isfinite(pixels) | ~(weight > 0)
            if self.path("nexp", band).is_file():
                unseen |= self._cut("nexp", band, boxes, size) == 0
            image[:, b] = np.where(unseen, np.nan, pixels)
            invvar[:, b] = np.where(unseen, 0, weight)
            if self.path("psfsize", band).is_file():
                value = self._cut("psfsize", band, np.stack([row, column], axis=1), 1)[:, 0, 0]
                psfsize[:, b] = np.where(value > 0, value, np.nan)
        mask = self._cut("maskbits", "", boxes, size)
        n_y, n_x = self.shape
        inside = np.ones(n, np.int64)
        for start, length in ((boxes[:, 0], n_y), (boxes[:, 1], n_x)):
            inside *= np.clip(np.minimum(start + size, length) - np.maximum(start, 0), 0, None)
        return {
            "image": image,
            "invvar": invvar,
            "mask": mask,
            "psfsize": psfsize,
            "edge_pixel_count": (size * size - inside).astype(np.int32),
        }

    def _cut(self, product: str, band: str, boxes: np.ndarray, size: int) -> np.ndarray:
        """Boxes (first row, first column) of one plane; NaN (integers: 0) outside it."""
        dtype = np.int32 if product in ("nexp", "maskbits") else np.float32
        kept = self._planes.get((product, band))
        if kept is not None:
            return _boxes(kept, boxes, size, dtype)
        with self.plane(product, band) as hdu:
            if self.keep:
                self._planes[product, band] = hdu.data.astype(dtype)
                return _boxes(self._planes[product, band], boxes, size, dtype)
            dense = len(boxes) * (size + SECTION) ** 2 > np.prod(self.shape)
            return _boxes(hdu.data if dense else hdu.section, boxes, size, dtype)

    @contextmanager
    def plane(self, product: str, band: str) -> Iterator[fits.CompImageHDU]:
        """One plane, its header held to what is expected and to its sisters; see `read` for what is raised."""
        with self._open(product, band) as hdu:
            if hdu.shape != self.shape:
                raise PixelError(
                    f"{_kind(product, band)}: '{self.name(product, band)}' has shape "
                    f"{hdu.shape}, its sisters {self.shape}"
                )
            self._same_place(hdu, product, band)
            yield hdu

    @contextmanager
    def _open(self, product: str, band: str) -> Iterator[fits.CompImageHDU]:
        """The image of one file, its length and units checked; what is broken is named."""
        path, named = self.path(product, band), f"{_kind(product, band)}: file '{self.name(product, band)}'"
        try:
            with warnings.catch_warnings(), fits.open(path) as hdus:
                warnings.simplefilter("ignore", AstropyUserWarning)  # of a truncated file: said below
                hdu = next((h for h in hdus if h.is_image and h.header.get("NAXIS", 0) == 2), None)
                if hdu is None:
                    raise PixelError(f"{named} holds no image of two axes")
                info = hdu.fileinfo()
                end, length = info["datLoc"] + info["datSpan"], path.stat().st_size
                if end > length:
                    raise PixelError(f"{named} is truncated: {length} bytes of at least {end}; copy it again")
                if problem := planes.problem(hdu.header, product, band):
                    raise PixelError(f"{named} {problem}")
                if problem := stated_problem(hdu.header, product):
                    raise PixelError(f"{named}{problem}")
                yield hdu
        except FileNotFoundError:
            raise PixelError(f"{named} is missing; {', '.join(self.bands)} are all required") from None
        except PixelError:
            raise
        except _BROKEN as error:
            folders.pass_on(error, path)
            raise PixelError(f"{named} cannot be read; copy it again ({type(error).__name__})") from error

    def _plane(self, hdu: fits.CompImageHDU | _Bare, product: str, band: str) -> orientation.Plane:
        """Where a plane lies, once it is TAN, North up, East left, at the survey's scale."""
        named = f"{_kind(product, band)}: file '{self.name(product, band)}'"
        kinds = hdu.header.get("CTYPE1", "none"), hdu.header.get("CTYPE2", "none")
        try:
            plane = orientation.plane(hdu.header, hdu.shape)
            plane.check(schema.PIXEL_SCALE)
        except orientation.OrientationError as error:
            raise PixelError(f"{named} {error}") from None
        if kinds != ("RA---TAN", "DEC--TAN") or plane.wcs.has_distortion:
            raise PixelError(
                f"{named} has the projection {kinds}{' with a distortion' if plane.wcs.has_distortion else ''}, "
                "not ('RA---TAN', 'DEC--TAN')"
            )
        return plane

    def _same_place(self, hdu: fits.CompImageHDU, product: str, band: str) -> None:
        """Planes that carry world coordinates lie where the first image does, over their whole area."""
        first, _, _, known = self._header
        own = orientation.cards(hdu.header)
        if own == known or not own:
            return
        named = f"{_kind(product, band)}: file '{self.name(product, band)}'"
        for card in ("CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2"):
            found = own.get(card, known[card])
            if isinstance(found, (int, float)) and abs(found - known[card]) > 1e-6:
                raise PixelError(f"{named} has {card} {found}, its sisters {known[card]}")
        if product == "image" or orientation.has_place(hdu.header):
            plane = self._plane(hdu, product, band)
        elif orientation.has_matrix(own):  # the rest as the first image has it
            plane = self._plane(
                _Bare(fits.Header([*(orientation.without_matrix(known) | own).items()]), hdu.shape), product, band
            )
        else:
            return
        if (away := first.away(plane)) > orientation.PLACE_TOLERANCE:
            raise PixelError(f"{named} lies up to {away:.3g} pixels off its sisters, by the world coordinates of both")


class _Bare(NamedTuple):
    """What `_plane` asks of an HDU."""

    header: fits.Header
    shape: tuple[int, ...]


def _kind(product: str, band: str) -> str:
    return f"band {band}" if band else product
