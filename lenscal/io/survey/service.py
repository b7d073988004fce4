"""The public cutout service as a survey: FITS cutouts of the Legacy Surveys' viewer, asked for politely and
believed only when whole.
"""

from __future__ import annotations

import hashlib
import io
import os
import random
import re
import stat
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import numpy as np
import pandas as pd
import requests
import tenacity
import xarray as xr
from astropy.io import fits

from lenscal import config, schema
from lenscal.io import folders, orientation, units
from lenscal.io.empty import unobserved, unread
from lenscal.io.survey.bricks import PixelError
from lenscal.io.survey.geometry import SurveyError, read_geometry, tables
from lenscal.io.survey.protocol import FileHash

BUSY = {429, 500, 502, 503, 504}  # answers that another attempt may better
NOTHING = {400, 404}  # the service has no pixels there
WAIT_MAX = 300.0  # seconds between two attempts, at most
PLACE_TOLERANCE = 0.5  # pixels
_FITS = b"SIMPLE  ="


class _Again(RuntimeError):
    """An answer that is not what was asked for; another attempt may give it."""

    def __init__(self, reason: str, wait: float | None = None, of_place: bool = False) -> None:
        super().__init__(reason)
        self.wait = wait
        self.of_place = of_place
        """Whether the place asked for may be the reason, not the service."""


class _NoAnswer(PixelError):
    """A place at which the service failed after all attempts: the whole message, and that of the row."""


class ServiceSurvey:
    """Cutouts of a viewer's ``/fits-cutout``.

    The image of the viewer is the coadd re-gridded to the nearest pixel about the position, so an object lies within
    half a pixel of the stamp's centre as in a stamp of a brick.

    Parameters
    ----------
    service : config.Service
        Address, planes, rate, attempts, time-out.
    layer : str
        Such as ``"ls-dr10"``.
    root : path
        Folder with the catalogue of the survey and its table of bricks (for `bricks`).
    seed : int
        Of the jitter of the waits.
    mock : bool
        The pixels are of a mock survey.
    """

    has_catalogue = True

    def __init__(
        self, service: config.Service, layer: str, root: str | Path, seed: int = 0, mock: bool = False
    ) -> None:
        self.service, self.layer, self.root, self.seed, self.mock = service, layer, Path(root), seed, bool(mock)
        self._region = "north" if "north" in layer else "south"
        self._session: requests.Session | None = None

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_session": None}  # a connection does not travel to a worker

    def bricks(self) -> pd.DataFrame:
        """Bricks of the survey, as `CoaddSurvey.bricks`."""
        return read_geometry(self.root, self._region).table.copy()

    def tables(self) -> list[Path]:
        """Files of the tables of bricks."""
        return [path for path in tables(self.root, self._region) if path]

    def pixel_inputs(self, hash_of: FileHash) -> dict[str, object]:
        """See `Survey.pixel_inputs`."""
        return {"tables": [hash_of(path) for path in self.tables()]}

    def check(self) -> list[str]:
        """The service answers: a small cutout of the middle of the first brick, one sentence.

        Raises
        ------
        SurveyError
            It does not, or gives something else.
        """
        brick = self.bricks().iloc[0]
        rows = pd.DataFrame(
            {"galaxy_id": [0], "ra": [brick["ra"]], "dec": [brick["dec"]], "brickname": [brick["brickname"]]}
        )
        try:
            found = self.read(rows, 21)
        except PixelError as error:
            raise SurveyError(str(error)) from error
        return [f"{self.service.url} answers with layer {found['layer_version'].values[0]}"]

    def url(self, ra: float, dec: float, size: int) -> str:
        """Of a cutout of odd side."""
        query = {
            "ra": f"{ra:.7f}",
            "dec": f"{dec:.7f}",
            "size": size,
            "layer": self.layer,
            "pixscale": schema.PIXEL_SCALE,
            "bands": "".join(schema.BANDS),
        }
        return f"{self.service.url}?{urlencode(query)}" + "".join(f"&{plane}" for plane in self.service.planes)

    def read(self, rows: pd.DataFrame, size: int) -> xr.Dataset:
        """Pixels around galaxies, as `CoaddSurvey.read` gives them, with `checksum` (of the file that came).

        A galaxy where the service has no pixels keeps its row with the reason in `failure`. A pixel is unobserved where
        the inverse variance is no positive number; where the service gives none, as `lenscal.io.empty.unobserved` says.

        A place at which the service fails (500) is such a row too where the service answers elsewhere right after it,
        and then fails at the place once more: else the service is down, and no place is at fault.

        Raises
        ------
        PixelError
            No whole and right answer after all attempts: the block is not done, and is asked for again by the next run.
        """
        data = unread(rows, size, self.layer, self.mock, more=("checksum",))
        out = {name: data[name].values for name in data.variables}
        odd = (
            size + 1 - size % 2
        )  # of an even stamp the object is on pixel size // 2: the last row and column of an odd one are left out
        places = [(ra, dec) for ra, dec in zip(rows["ra"].to_numpy(float), rows["dec"].to_numpy(float))]
        sane = [bool(np.isfinite([ra, dec]).all() and abs(dec) <= 90) for ra, dec in places]
        answered = None
        for i, (ra, dec) in enumerate(places):
            if not sane[i]:
                out["failure"][i] = "position: ra or dec is not a place on the sky"
                continue
            out["cutout_url"][i] = self.url(ra, dec, odd)
            others = [places[j] for j in (answered, *range(i + 1, len(places))) if j is not None and sane[j]][:3]
            try:
                self._fill(out, i, self._ask_of_place(ra, dec, odd, others), size)
            except _NoAnswer as error:
                out["failure"][i] = f"service: {error.args[1]}"
            else:
                answered = i
        return data

    def _ask_of_place(self, ra: float, dec: float, size: int, others: list[tuple]) -> tuple[bytes | None, str, tuple]:
        """What comes for a place; _NoAnswer where the service fails at this place, PixelError where it
        fails at others as well.
        """
        asked = self.url(ra, dec, size), ra, dec, size
        try:
            return self._ask(*asked)
        except _NoAnswer as error:
            elsewhere = [(self.url(*other, size), *other, size) for other in others]
            if not any(self._answers(*other) for other in [*elsewhere, *self._elsewhere()]):
                raise PixelError(error.args[0]) from error
            try:
                return self._once(*asked)
            except _Again:
                raise error from None

    def _fill(self, out: dict[str, np.ndarray], i: int, came: tuple[bytes | None, str, tuple], size: int) -> None:
        """Put what came for one galaxy into its row."""
        content, moment, answer = came
        if content is None:
            out["failure"][i] = "outside: the service has no pixels there"
            return
        out["download_timestamp"][i] = moment
        out["checksum"][i] = hashlib.blake2b(content, digest_size=16).hexdigest()
        planes, version = answer
        image, invvar = planes["image"], planes.get("invvar")
        unseen = unobserved(image) if invvar is None else ~np.isfinite(image) | ~(invvar > 0)
        out["image"][i] = np.where(unseen, np.nan, image)[:, :size, :size]
        if invvar is not None:
            out["invvar"][i] = np.where(unseen, 0, invvar)[:, :size, :size]
        if "maskbits" in planes:
            out["mask"][i] = planes["maskbits"][:size, :size]
        out["layer_version"][i] = f"{self.layer} {version}".strip()

    def _answers(self, url: str, ra: float, dec: float, size: int) -> bool:
        try:
            self._once(url, ra, dec, size)
        except (_Again, PixelError):
            return False
        return True

    def _elsewhere(self) -> Iterator[tuple[str, float, float, int]]:
        """Small cutouts of the middles of a few bricks."""
        try:
            bricks = self.bricks()
        except SurveyError:
            return
        for brick in bricks.iloc[:: max(1, len(bricks) // 3)].head(3).itertuples():
            yield self.url(brick.ra, brick.dec, 21), brick.ra, brick.dec, 21

    def _ask(self, url: str, ra: float, dec: float, size: int) -> tuple[bytes | None, str, tuple]:
        """A whole and right file, when it came, and what `_planes` finds in it; None when the
        service has nothing there.
        """
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_Again),
            stop=tenacity.stop_after_attempt(self.service.attempts),
            wait=lambda state: self._wait(url, state.attempt_number, state.outcome.exception().wait),
            reraise=True,
        )
        try:
            return attempts(self._once, url, ra, dec, size)
        except _Again as error:
            attempts_failed = f"{self.service.attempts} attempts at '{url}' failed, the last: {error}"
            text = f"service: {attempts_failed}; what is complete stays complete: run again to go on"
            raise (_NoAnswer(text, attempts_failed) if error.of_place else PixelError(text)) from error

    def _wait(self, url: str, attempt: int, asked: float | None) -> float:
        """Seconds before the next attempt: what the service asks for, else doubled each time, times 0.5 to 1.5
        drawn by (seed, url, attempt).
        """
        if asked is not None:
            return min(asked, WAIT_MAX)
        return min(self.service.backoff_seconds * 2 ** (attempt - 1), WAIT_MAX) * (
            0.5 + random.Random(f"{self.seed} {url} {attempt}").random()
        )

    def _once(self, url: str, ra: float, dec: float, size: int) -> tuple[bytes | None, str, tuple]:
        _slot(url, self.service.requests_per_second)
        self._session = self._session or requests.Session()
        try:
            answer = self._session.get(url, timeout=self.service.timeout_seconds, headers={"User-Agent": "lenscal"})
        except requests.RequestException as error:  # refused, slow, or cut short of its Content-Length
            raise _Again(f"{type(error).__name__}: {error}") from error
        if answer.status_code in NOTHING:
            return None, "", ()
        if answer.status_code in BUSY:
            wait = _retry_after(answer.headers.get("Retry-After"))
            raise _Again(f"answer {answer.status_code} {answer.reason}", wait, of_place=answer.status_code == 500)
        if answer.status_code != 200:
            raise PixelError(
                f"service: '{url}' answered {answer.status_code} {answer.reason}; check "
                "survey.service.url and survey.layer"
            )
        if word := _refusal(answer.content):
            raise PixelError(
                f"service: '{url}' answered '{word}'; check survey.layer ('{self.layer}') and survey.service.url"
            )
        found = _planes(answer.content, ra, dec, size, self.service.planes)
        return answer.content, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), found


def _refusal(content: bytes) -> str:
    """A line of text about the layer that came in place of pixels, as the viewer sends with status 200;
    empty for anything else.
    """
    if len(content) > 500 or content.startswith((_FITS, b"<")):
        return ""
    text = " ".join(content.decode("ascii", "replace").split())
    return text if re.search(r"\blayer\b", text, re.IGNORECASE) else ""


def _retry_after(text: str | None) -> float | None:
    """Seconds of a Retry-After header: a number, or a date."""
    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None


def _slot(url: str, rate: float) -> None:
    """Wait for one's turn: of one user on one machine, whatever the number of processes, a host gets no more than
    `rate` requests a second.
    """
    host = hashlib.blake2b(urlsplit(url).netloc.encode(), digest_size=8).hexdigest()
    with (
        os.fdopen(
            os.open(_own_folder() / f"rate-{host}", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600), "r+"
        ) as file,
        folders.locked(file),
    ):
        file.seek(0)
        text = file.read()
        now = time.time()
        try:
            turn = max(now, float(text))
        except ValueError:
            turn = now
        turn = min(turn, now + WAIT_MAX)  # a clock that was set back
        file.seek(0)
        file.truncate(0)
        file.write(repr(turn + 1 / rate))
        file.flush()
    time.sleep(max(0.0, turn - now))


@cache
def _own_folder() -> Path:
    """A folder that only this user can write to, the same for all processes: others on the machine can
    neither stop nor hurry them.
    """
    cache_folder = Path(os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache"))
    for base in (Path(os.environ.get("XDG_RUNTIME_DIR") or cache_folder), cache_folder):
        folder = base / "lenscal"
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            status = folder.lstat()
        except OSError:
            continue
        if (
            stat.S_ISDIR(status.st_mode)
            and status.st_uid == os.getuid()
            and not status.st_mode & 0o022
            and os.access(folder, os.W_OK)
        ):
            return folder
    return folders.own_temporary()


def _planes(content: bytes, ra: float, dec: float, size: int, wanted: list[str]) -> tuple[dict[str, np.ndarray], str]:
    """The planes of an answer, and the version it names, once they are what was asked for.

    Raises
    ------
    _Again
        It is no FITS file, is cut short, lacks a plane, or is of another size, place, scale, unit or band.
    """
    if not content.startswith(_FITS):
        head = content[:60].decode("ascii", "replace").replace("\n", " ")
        raise _Again(f"{len(content)} bytes that are no FITS file but begin with '{head}'")
    if len(content) % 2880:
        raise _Again(f"a FITS file cut short: {len(content)} bytes are not whole records of 2880")
    try:
        with fits.open(io.BytesIO(content), memmap=False) as hdus:
            found = {
                str(hdu.header.get("IMAGETYP", "IMAGE")).strip().lower(): (hdu.data, hdu.header)
                for hdu in hdus
                if hdu.header.get("NAXIS", 0) > 0
            }
            found = {name: (None if data is None else np.array(data), header) for name, (data, header) in found.items()}
    except (OSError, ValueError, TypeError, KeyError, IndexError, fits.VerifyError) as error:
        raise _Again(f"a FITS file that cannot be read ({error})") from error
    for plane in ("image", *wanted):
        if plane not in found or found[plane][0] is None:
            raise _Again(
                f"no plane '{plane}' but {sorted(found)}; take out of survey.service.planes "
                "what the service does not offer"
            )
        data, header = found[plane]
        shape = (size, size) if plane == "maskbits" else (len(schema.BANDS), size, size)
        if data.shape != shape:
            raise _Again(f"plane '{plane}' has shape {data.shape}, not {shape}")
    header = found["image"][1]
    bands = str(
        header.get("BANDS", "".join(str(header.get(f"BAND{i}", "?")).strip() for i in range(len(schema.BANDS))))
    ).strip()
    if bands != "".join(schema.BANDS):
        raise _Again(f"bands '{bands}', not '{''.join(schema.BANDS)}'")
    for plane, unit in (("image", "nanomaggy"), ("invvar", "1/nanomaggy^2")):
        if plane in found and (problem := units.problem(found[plane][1].get("BUNIT"), unit)):
            raise _Again(f"plane '{plane}' {problem}")
    first = _placed(header, "image", ra, dec, size)
    for plane in wanted:
        if orientation.has_place(found[plane][1]) and orientation.cards(found[plane][1]) != orientation.cards(header):
            away = first.away(_placed(found[plane][1], plane, ra, dec, size))
            if away > orientation.PLACE_TOLERANCE:
                raise _Again(f"plane '{plane}' that lies up to {away:.3g} pixels off the image")
    version = str(header.get("VERSION", header.get("SURVEY", ""))).strip()
    return {
        name: found[name][0].astype(np.int32 if name == "maskbits" else np.float32) for name in ("image", *wanted)
    }, version


def _placed(header: fits.Header, plane: str, ra: float, dec: float, size: int) -> orientation.Plane:
    """Where an answer lies, once it is North up at the survey's scale with the position in its middle."""
    try:
        placed = orientation.plane(header, (size, size))
        placed.check(schema.PIXEL_SCALE)
    except orientation.OrientationError as error:
        raise _Again(f"plane '{plane}' that {error}, so its scale and place are not those asked for") from None
    there = placed.centre
    away = (
        np.array([((there[0] - ra + 180) % 360 - 180) * np.cos(np.deg2rad(dec)), there[1] - dec]) * 3600 / placed.scale
    )
    if not np.abs(away).max() <= PLACE_TOLERANCE:
        raise _Again(f"a stamp about ra {there[0]:.7f}, dec {there[1]:.7f}, not about ra {ra}, dec {dec}")
    return placed
