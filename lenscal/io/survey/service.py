"""The public cutout service as a survey: FITS cutouts of the Legacy Surveys' viewer, asked for politely and
believed only when whole.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pandas as pd
import requests
import tenacity
import xarray as xr

from lenscal import config, schema
from lenscal.io.empty import unobserved, unread
from lenscal.io.survey.errors import PixelError, SurveyError
from lenscal.io.survey.geometry import read_geometry, region_of, tables
from lenscal.io.survey.protocol import FileHash

from .answers import Again, Wrong, _planes, refusal
from .pace import WAIT_MAX, retry_after, slot

BUSY = {429, 500, 502, 503, 504}  # answers that another attempt may better
NOTHING = {400, 404}  # the service has no pixels there
CHECKED = 4  # further bricks that are asked for where the first has no pixels


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
    release : Release, optional
        Of the catalogue and its table of bricks; DR10 by default.
    bands : sequence of str
        That are asked for.
    """

    has_catalogue = True

    def __init__(
        self,
        service: config.Service,
        layer: str,
        root: str | Path,
        seed: int = 0,
        mock: bool = False,
        release: schema.Release | None = None,
        bands: Sequence[str] = schema.BANDS,
    ) -> None:
        self.bands = tuple(bands)
        self.service, self.layer, self.root, self.seed, self.mock = service, layer, Path(root), seed, bool(mock)
        self._region, self._names = region_of(layer, release)
        self._session: requests.Session | None = None

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_session": None}  # a connection does not travel to a worker

    def bricks(self) -> pd.DataFrame:
        """Bricks of the survey, as `CoaddSurvey.bricks`."""
        return read_geometry(self.root, self._region, self._names).table.copy()

    def tables(self) -> list[Path]:
        """Files of the tables of bricks."""
        return [path for path in tables(self.root, self._region, self._names) if path]

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
            if reason := str(found["failure"].values[0]):
                found = self._of_another_brick(reason)
        except PixelError as error:
            raise SurveyError(str(error)) from error
        return [f"{self.service.url} answers with layer {found['layer_version'].values[0]}"]

    def _of_another_brick(self, reason: str) -> xr.Dataset:
        """A small cutout of some brick, where the first one has none.

        Raises
        ------
        SurveyError
            No brick that is asked for has any.
        """
        bricks = self.bricks()
        for brick in bricks.iloc[:: max(1, len(bricks) // CHECKED)].iloc[1 : CHECKED + 1].itertuples():
            rows = pd.DataFrame(
                {"galaxy_id": [0], "ra": [brick.ra], "dec": [brick.dec], "brickname": [brick.brickname]}
            )
            found = self.read(rows, 21)
            if not str(found["failure"].values[0]):
                return found
        raise SurveyError(
            f"service: '{self.service.url}' has pixels of none of the bricks that were asked for (of the first: "
            f"{reason}); check survey.layer ('{self.layer}') and survey.service.url, and that the table of bricks is "
            "of that layer"
        )

    def url(self, ra: float, dec: float, size: int) -> str:
        """Of a cutout of odd side."""
        query = {
            "ra": f"{ra:.7f}",
            "dec": f"{dec:.7f}",
            "size": size,
            "layer": self.layer,
            "pixscale": schema.PIXEL_SCALE,
            "bands": "".join(self.bands),
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
        data = unread(rows, size, self.layer, self.mock, more=("checksum",), bands=self.bands)
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
            except Again:
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
        except (Again, PixelError):
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
            retry=tenacity.retry_if_exception_type(Again),
            stop=tenacity.stop_after_attempt(self.service.attempts),
            wait=lambda state: self._wait(url, state.attempt_number, state.outcome.exception().wait),
            reraise=True,
        )
        try:
            return attempts(self._once, url, ra, dec, size)
        except Again as error:
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
        slot(url, self.service.requests_per_second)
        self._session = self._session or requests.Session()
        try:
            answer = self._session.get(url, timeout=self.service.timeout_seconds, headers={"User-Agent": "lenscal"})
        except requests.RequestException as error:  # refused, slow, or cut short of its Content-Length
            raise Again(f"{type(error).__name__}: {error}") from error
        if answer.status_code in (*NOTHING, 200) and (word := refusal(answer.content)):
            raise PixelError(
                f"service: '{url}' answered '{word}'; check survey.layer ('{self.layer}') and survey.service.url"
            )
        if answer.status_code in NOTHING:
            return None, "", ()
        if answer.status_code in BUSY:
            wait = retry_after(answer.headers.get("Retry-After"))
            raise Again(f"answer {answer.status_code} {answer.reason}", wait, of_place=answer.status_code == 500)
        if answer.status_code != 200:
            raise PixelError(
                f"service: '{url}' answered {answer.status_code} {answer.reason}; check "
                "survey.service.url and survey.layer"
            )
        try:
            found = _planes(answer.content, ra, dec, size, self.service.planes, self.bands)
        except Wrong as error:
            raise PixelError(
                f"service: '{url}' answered with {error}; check survey.layer ('{self.layer}') and survey.service.url: "
                "another attempt will not change it"
            ) from error
        return answer.content, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), found
