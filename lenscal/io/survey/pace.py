"""The pace of requests to a service, kept by all processes of a machine together."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from lenscal.io import locks

WAIT_MAX = 300.0  # seconds between two attempts, at most


def slot(url: str, rate: float) -> None:
    """Wait for one's turn: of one user on one machine, whatever the number of processes, a host gets no more than
    `rate` requests a second.
    """
    host = hashlib.blake2b(urlsplit(url).netloc.encode(), digest_size=8).hexdigest()
    with (
        os.fdopen(
            os.open(_own_folder() / f"rate-{host}", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600), "r+"
        ) as file,
        locks.locked(file),
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
    return locks.own_temporary()


def retry_after(text: str | None) -> float | None:
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
