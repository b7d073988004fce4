"""Loaded by the scheduler of a machine: it ends when no run has been connected to it for some time, so that machines do
not outlive a run that was killed.
"""

from __future__ import annotations

import os
import time
from typing import Any

LOOK_S = 2.0


class Watch:
    """Of one scheduler."""

    def __init__(self, scheduler: Any, idle_timeout: float) -> None:
        self._scheduler, self._limit, self._seen = scheduler, idle_timeout, time.monotonic()

    async def look(self) -> None:
        """End the scheduler, and with it the workers, when the last run left too long ago."""
        if any(name != "fire-and-forget" for name in self._scheduler.clients):  # that one Dask has for itself
            self._seen = time.monotonic()
        elif time.monotonic() - self._seen > self._limit:
            await self._scheduler.close(reason="no run is connected any more")


async def dask_setup(scheduler: Any) -> None:
    """Begin to watch; called by Dask."""
    from tornado.ioloop import PeriodicCallback

    watch = Watch(scheduler, float(os.environ["LENSCAL_IDLE_TIMEOUT"]))
    scheduler.periodic_callbacks["lenscal"] = callback = PeriodicCallback(watch.look, LOOK_S * 1000)
    callback.start()
