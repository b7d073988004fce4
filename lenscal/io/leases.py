"""A lease of a prefix of a bucket, which has no locks: one run holds it, renews it while it works, and gives it back;
it runs out by itself when its run is gone.

The object is written by conditional puts (``If-None-Match: *``, ``If-Match``), so that of two runs that want it one
gets it. Its age is told by the clock of the bucket alone: those of two machines differ.
"""

from __future__ import annotations

import email.utils
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lenscal.io import stopping
from lenscal.io.folders import StoreError, saying

SECONDS = 120.0
"""A lease that was not renewed for so long is over."""


@contextmanager
def held(file: Path, seconds: float | None = None) -> Iterator[None]:
    """Hold the lease that an object stands for.

    Parameters
    ----------
    file : place in a bucket
    seconds : float, optional
        After which the lease runs out unless it is renewed, which it is three times as often; `SECONDS` by default.

    Raises
    ------
    StoreError
        Another run holds it; or, at the next block of the run, it was lost: the bucket did not take its renewal in
        time, and another run may be at work there.
    """
    lease = _Lease(file, SECONDS if seconds is None else seconds)
    lease.take()
    ended = threading.Event()
    keeper = threading.Thread(target=lease.keep, args=(ended,), daemon=True, name="lenscal-lease")
    keeper.start()
    try:
        yield
    finally:
        ended.set()
        keeper.join(timeout=lease.seconds)
        lease.give_back()
        if lease.error is not None:
            stopping.forget(lease.error)  # it was of this run


class _Lease:
    def __init__(self, file: Path, seconds: float) -> None:
        self._file, self.seconds = file, seconds
        self._bucket, _, self._key = str(file.path).strip("/").partition("/")
        self._me = {"run": uuid.uuid4().hex, "host": socket.gethostname(), "process": os.getpid(), "seconds": seconds}
        self._etag, self._lost = "", None
        self.error: StoreError | None = None

    def _ask(self, what: str, **arguments: Any) -> dict:
        return self._file.fs.call_s3(what, Bucket=self._bucket, Key=self._key, **arguments)

    def _put(self, **condition: str) -> bool:
        """Whether the object was written; not where the condition does not hold."""
        try:
            answer = self._ask("put_object", Body=json.dumps(self._me).encode(), **condition)
        except Exception as error:
            if _code(error) in ("PreconditionFailed", "412", "ConditionalRequestConflict", "409"):
                return False
            raise
        self._etag = answer["ETag"]
        return True

    def take(self) -> None:
        """Get the lease where it is free or over.

        Raises
        ------
        StoreError
            It is held by another run.
        """
        with saying(self._file, "written"):
            for _ in range(3):  # it may be given back, or taken by another, in between
                if self._put(IfNoneMatch="*"):
                    return
                found = self._found()
                if found is None:
                    continue
                holder, etag, age = found
                if holder["run"] == self._me["run"]:  # a put that was answered too late, and repeated
                    self._etag = etag
                    return
                if age <= holder["seconds"]:
                    raise StoreError(self._taken(holder, age))
                if self._put(IfMatch=etag):
                    return
        raise StoreError(self._taken({"host": "another machine", "process": "unknown", "seconds": self.seconds}, 0.0))

    def _taken(self, holder: dict, age: float) -> str:
        return (
            f"another run (process {holder['process']} on {holder['host']}) is at work in "
            f"'{self._file.parent.parent}'; wait for it or stop it; if it is gone, its lease runs out in "
            f"{max(0, holder['seconds'] - age):.0f} s"
        )

    def _found(self) -> tuple[dict, str, float] | None:
        """Who holds the lease, its mark, and seconds since it was renewed; None when it is free."""
        try:
            answer = self._ask("get_object")
        except Exception as error:
            if isinstance(error, FileNotFoundError) or _code(error) in ("NoSuchKey", "404"):
                return None
            raise
        text = _read(self._file.fs, answer["Body"])
        now = email.utils.parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
        return json.loads(text), answer["ETag"], (now - answer["LastModified"]).total_seconds()

    def keep(self, ended: threading.Event) -> None:
        """Renew until the run ends; a lease that is lost stops the run."""
        renewed = time.monotonic()
        while not ended.wait(self.seconds / 3):
            with suppress(Exception):  # tried again, until it would be over
                if self._put(IfMatch=self._etag) or self._mine():
                    renewed = time.monotonic()
                    continue
                self._lost = "another run has taken it"
            if self._lost is None and time.monotonic() - renewed > self.seconds * 0.9:
                self._lost = "the bucket did not take its renewal"
            if self._lost:
                self.error = StoreError(
                    f"the lease of '{self._file.parent.parent}' was lost ({self._lost}): another run may be at work "
                    "there; what is complete stays complete: see who is, and run again to go on"
                )
                stopping.because(self.error)
                return

    def _mine(self) -> bool:
        """Whether it is held by this run after all: a put may be repeated whose first answer got lost."""
        found = self._found()
        if found is None or found[0]["run"] != self._me["run"]:
            return False
        self._etag = found[1]
        return True

    def give_back(self) -> None:
        """Let others have it at once."""
        if self._lost is None:
            with suppress(Exception):  # it runs out by itself
                self._ask("delete_object", IfMatch=self._etag)


def _code(error: BaseException) -> str:
    """What S3 calls an error that s3fs may have turned into one of the system."""
    for one in (error, error.__cause__, error.__context__):
        if one is not None and (code := getattr(one, "response", {}).get("Error", {}).get("Code")):
            return str(code)
    return ""


def _read(files: Any, body: Any) -> bytes:
    from fsspec.asyn import sync

    return sync(files.loop, body.read)
