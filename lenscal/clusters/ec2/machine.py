"""The main process of a machine: it runs Dask's scheduler or workers, ends when they do or when the scheduler is gone,
and keeps their log in the bucket.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

LOOK_S, ASK_S = 2.0, 20.0
"""Seconds between two looks at the work, and between two questions whether the scheduler is there (it logs each)."""


def _end(*_: object) -> None:
    """The machine is ended: the log is kept first, and whoever says so again does not interrupt that."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(0)


def main(root: str, role: str, name: str, scheduler: str = "") -> None:
    """Work until there is nothing more to do.

    Parameters
    ----------
    root : path
        Holds ``bundle/``: settings.json, key.pem, cert.pem, constraints.txt, the wheel.
    role : str
        "scheduler" or "worker".
    name : str
        Of the machine.
    scheduler : str
        Its address, for a worker.
    """
    from lenscal.clusters.ec2 import versions

    folder = Path(root)
    settings = json.loads((folder / "bundle" / "settings.json").read_text())
    signal.signal(signal.SIGTERM, _end)
    log = folder / f"{name}.log"
    with log.open("wb") as file, _archived(log, settings, name) as keep:
        if differ := versions.differences(settings["versions"], versions.of_this_process()):
            file.write(f"this machine differs from the run: {'; '.join(differ)}\n".encode())
            return
        command = (
            scheduler_command(folder, settings)
            if role == "scheduler"
            else worker_command(folder, settings, name, scheduler)
        )
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env=environment(settings))
        try:
            _watch(process, settings, scheduler)
        finally:
            keep()  # at once: a machine that is taken away may have no time for more
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(30)
            process.kill()


def _tls(folder: Path) -> list[str]:
    bundle = folder / "bundle"
    return [
        *("--tls-ca-file", str(bundle / "cert.pem")),
        *("--tls-cert", str(bundle / "cert.pem")),
        *("--tls-key", str(bundle / "key.pem")),
    ]


def scheduler_command(folder: Path, settings: dict) -> list[str]:
    """How Dask's scheduler is started."""
    return [
        *(sys.executable, "-m", "distributed.cli.dask_scheduler", "--protocol", "tls"),
        *("--port", str(settings["port"]), "--dashboard-address", f"{settings['host']}:{settings['port'] + 1}"),
        *(("--host", settings["host"]) if settings["host"] else ()),
        *(() if settings["dashboard"] else ("--no-dashboard",)),
        *("--preload", "lenscal.clusters.ec2.watch"),
        *_tls(folder),
    ]


def worker_command(folder: Path, settings: dict, name: str, scheduler: str) -> list[str]:
    """How Dask's workers are started, one process for each core unless the run file says otherwise."""
    return [
        *(sys.executable, "-m", "distributed.cli.dask_worker", scheduler, "--protocol", "tls", "--no-dashboard"),
        *("--nworkers", str(settings["processes"] or os.cpu_count() or 1), "--nthreads", str(settings["threads"])),
        *("--memory-limit", settings["memory_limit"], "--name", name),
        *("--death-timeout", f"{settings['gone_s']:g}", "--local-directory", str(folder / "work")),
        *("--preload", "lenscal.clusters.ec2.notice"),
        *_tls(folder),
    ]


def environment(settings: dict) -> dict[str, str]:
    """Of Dask's processes."""
    return {
        **os.environ,
        "LENSCAL_IDLE_TIMEOUT": f"{settings['idle_timeout']:g}",
        "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": str(settings["allowed_failures"]),
        "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "60s",
    }


def _watch(process: subprocess.Popen, settings: dict, scheduler: str) -> None:
    """Wait for the end of the process; a worker whose scheduler does not answer for too long is not waited for."""
    answered = asked = time.monotonic()
    while process.poll() is None:
        time.sleep(LOOK_S)
        now = time.monotonic()
        if not scheduler or now - asked < ASK_S:
            continue
        asked = now
        if answers(scheduler):
            answered = now
        elif now - answered > settings["gone_s"]:
            return


def answers(address: str, timeout: float = 5.0) -> bool:
    """Whether anyone takes a connection at an address such as ``tls://10.0.0.4:8786``."""
    place = urlsplit(address)
    try:
        with socket.create_connection((place.hostname, place.port), timeout):
            return True
    except OSError:
        return False


@contextmanager
def _archived(log: Path, settings: dict, name: str) -> Iterator[Callable[[], None]]:
    """The log lies in the bucket when the work has ended, and every minute before; what is yielded has it there now.

    Its name is its own also where two machines have one name, as two that were started for one worker.
    """
    import threading
    import uuid

    ended, key = threading.Event(), f"{settings['logs']}{name}-{uuid.uuid4().hex[:6]}.log"

    def keep() -> None:
        import botocore.session

        with suppress(Exception):  # a bucket that does not answer is no reason to stop working
            content = log.read_bytes()[-(1 << 20) :]
            s3 = botocore.session.get_session().create_client("s3", region_name=settings["region"])
            s3.put_object(Bucket=settings["bucket"], Key=key, Body=content)

    def often() -> None:
        while not ended.wait(60):
            keep()

    threading.Thread(target=often, daemon=True).start()
    try:
        yield keep
    finally:
        ended.set()
        keep()


if __name__ == "__main__":
    main(*sys.argv[1:])
