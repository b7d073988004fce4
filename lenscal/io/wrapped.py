"""A file that is read through another."""

from __future__ import annotations

import io
from typing import Any


class Wrapped(io.RawIOBase):
    """Reads, seeks and closes another file; who inherits says what becomes of the bytes."""

    _file: Any = None  # of one that could not be opened, which is closed all the same when it is forgotten

    def __init__(self, file: Any) -> None:
        super().__init__()
        self._file = file
        self.size: int | None = getattr(file, "size", None)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        if not self.closed and self._file is not None:
            self._file.close()
        super().close()
