"""A file at an address (https, s3 ...), read by ranges of bytes; a range that fails is asked for again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from lenscal.errors import LenscalError
from lenscal.io.wrapped import Wrapped

_ATTEMPTS, _WAIT_S = 5, 0.5  # the wait doubles each time
_BLOCK = 4 << 20  # bytes of a request, and of what is kept of a file
_SILENCE_S = 60.0  # without a byte
_FAR = ("aiohttp", "botocore", "aiobotocore", "fsspec", "asyncio")
_FINAL = (FileNotFoundError, PermissionError, NotADirectoryError, IsADirectoryError)

T = TypeVar("T")


class RemoteError(LenscalError, OSError):
    """An address that does not give what it should; the message says which, and what it said."""


def is_remote(path: object) -> bool:
    """Whether a place is an address, not a folder."""
    return "://" in str(path)


def filesystem(address: str) -> tuple[Any, str]:
    """fsspec's file system of an address, and the place there."""
    import fsspec

    options = {}
    if address.startswith(("http://", "https://")):
        import aiohttp

        options["client_kwargs"] = {
            "timeout": aiohttp.ClientTimeout(total=None, sock_connect=_SILENCE_S, sock_read=_SILENCE_S)
        }
    return fsspec.core.url_to_fs(address, **options)


def patiently(what: str, ask: Callable[[], T]) -> T:
    """What a call gives, which is repeated when the network or the server fails.

    Raises
    ------
    RemoteError
        When it fails every time; `what` names what was asked for.
    FileNotFoundError, PermissionError
        At once.
    """
    for attempt in range(_ATTEMPTS):
        try:
            return ask()
        except Exception as error:
            if isinstance(error, _FINAL) or not _may_pass(error):
                raise
            if attempt == _ATTEMPTS - 1:
                said = str(error) or type(error).__name__
                raise RemoteError(
                    f"{what}: {said}, {_ATTEMPTS} times in a row; check the address and the "
                    "network, and run again to go on"
                ) from error
            time.sleep(_WAIT_S * 2**attempt)
    raise AssertionError


def _may_pass(error: Exception) -> bool:
    """Whether an error is one of the network or of a server in trouble, not an answer."""
    status = getattr(error, "status", None)
    if isinstance(status, int) and status:
        return status >= 500 or status in (408, 429)
    return isinstance(error, (OSError, TimeoutError)) or type(error).__module__.split(".")[0] in _FAR


class RemoteFile(Wrapped):
    """An open file at an address: a few MB of it in memory, never more.

    Raises
    ------
    RemoteError
        When the server gives no ranges of bytes, or fails every time.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        files, place = filesystem(address)
        super().__init__(
            patiently(f"'{address}'", lambda: files.open(place, "rb", block_size=_BLOCK, cache_type="readahead"))
        )
        if self.size is None or not self._file.seekable():
            self._file.close()
            raise RemoteError(
                f"'{address}' is on a server that gives no ranges of bytes; fetch it and "
                "point survey.root at the folder"
            )

    def read(self, size: int = -1) -> bytes:
        """The next bytes; fewer than asked for only at the end of the file."""
        start = self._file.tell()
        stop = self.size if size < 0 else min(start + size, self.size)
        content = bytearray()
        while start + len(content) < stop:
            at = start + len(content)
            content += patiently(
                f"'{self.address}', bytes {at:,} to {stop:,}", lambda at=at: self._part(at, min(stop, at + _BLOCK))
            )
        return bytes(content)

    def _part(self, start: int, stop: int) -> bytes:
        self._file.seek(start)
        part = self._file.read(stop - start)
        if not part:
            raise RemoteError("the answer holds no byte")
        if len(part) > stop - start:
            raise RemoteError(f"the answer holds {len(part)} bytes instead of {stop - start}")
        return part
