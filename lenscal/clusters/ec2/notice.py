"""Loaded by each worker of a machine: when EC2 says that the machine will be taken away, within two minutes, the worker
takes up no more blocks, ends those it is at, and leaves; what it has not begun goes to others.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

LOOK_S = 5.0
DRAIN_S = 90.0
"""Seconds in which the blocks at work have to end: EC2 gives 120."""
_WHERE = "http://169.254.169.254"


def _service() -> str:
    """Address at which a machine asks about itself; that of a double in tests, and empty where there is none."""
    return os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", _WHERE).rstrip("/")


def noticed(address: str) -> bool:
    """Whether the machine is to be stopped or ended; False where nobody answers."""
    import urllib.request

    def ask(path: str, method: str, headers: dict[str, str]) -> str:
        request = urllib.request.Request(f"{address}/latest/{path}", method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=2) as answer:
            return answer.read().decode()

    try:
        token = ask("api/token", "PUT", {"X-aws-ec2-metadata-token-ttl-seconds": "300"})
        return bool(ask("meta-data/spot/instance-action", "GET", {"X-aws-ec2-metadata-token": token}))
    except OSError:  # 404 until there is a notice
        return False


async def drain(worker: Any, limit: float = DRAIN_S) -> None:
    """Leave: no further block begins, those at work may end within some seconds, what is left is given back."""
    from distributed.core import Status

    worker.status = Status.closing_gracefully  # the scheduler hears it, and gives it nothing more
    began = time.monotonic()
    while (worker.state.executing_count or worker.data) and time.monotonic() - began < limit:
        await asyncio.sleep(0.1)  # until the run has fetched what blocks gave: it would be lost, and done again
    await worker.scheduler.retire_workers(
        workers=[worker.address], close_workers=False, remove=True, stimulus_id=f"lenscal-drain-{time.time()}"
    )
    await worker.close(nanny=True, reason="the machine is taken away")


async def dask_setup(worker: Any) -> None:
    """Begin to ask; called by Dask."""

    async def watch() -> None:
        while not await asyncio.to_thread(noticed, _service()):
            await asyncio.sleep(LOOK_S)
        await drain(worker)

    worker.lenscal_notice = asyncio.ensure_future(watch())
