"""Every request of a small run to the cutout service and to a survey at an address, counted, and
each made to fail in turn.

    python tests/support/fetchpoints.py [--every 1] [--log fetchpoints.log] [--afresh]

Both are servers of this machine (127.0.0.1). Faults of the n-th request: the connection is closed without an answer,
the answer is cut short, or it is a 503; each once, or at every request from there on. As in
`tests/support/faultpoints.py` the run must end with an error of lenscal's own that names the address, or with the
digests of a run that was left alone, and gone on with it must have every byte of that run.

Exit code 1 when any of them is silent, unnamed or leaves other bytes behind.
"""

from __future__ import annotations

import argparse
import io
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from faultpoints import HERE, Log, Trial, scratch, small_run

TRIALS = ("service", "address")
MODES = ("closed once", "closed for good", "cut once", "cut for good", "503 once", "503 for good")

Fault = tuple[int, str]


class Failing:
    """Requests answered by `respond(handler, with_body)`, counted; the n-th fails as `fault` says."""

    def __init__(self) -> None:
        self.respond: Callable[[BaseHTTPRequestHandler, bool], None] | None = None
        self.number, self.fault, self.address = 0, None, ""
        self._lock = threading.Lock()

    def afresh(self, fault: Fault | None = None) -> None:
        """Count from here on."""
        self.number, self.fault = 0, fault

    def handle(self, handler: BaseHTTPRequestHandler, body: bool) -> None:
        with self._lock:
            n, self.number = self.number, self.number + 1
        mode = ""
        if self.fault is not None and (
            n == self.fault[0] or (n > self.fault[0] and self.fault[1].endswith("for good"))
        ):
            mode = self.fault[1].split()[0]
        out, handler.wfile = handler.wfile, io.BytesIO()
        self.respond(handler, body)
        head, gap, content = handler.wfile.getvalue().partition(b"\r\n\r\n")
        handler.wfile = out
        if mode:
            handler.close_connection = True
        with suppress(ConnectionError):
            if mode == "closed":
                handler.connection.shutdown(socket.SHUT_RDWR)
            elif mode == "503":
                out.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            elif mode == "cut":
                out.write(head + gap + content[: len(content) // 2] if content else head[: len(head) // 2])
            else:
                out.write(head + gap + content)


@contextmanager
def failing() -> Iterator[Failing]:
    """A server that listens on 127.0.0.1 only."""
    failing = Failing()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            failing.handle(self, True)

        def do_HEAD(self):
            failing.handle(self, False)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    failing.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield failing
    finally:
        server.shutdown()
        server.server_close()


class Fetches:
    """A stage that asks a server for what it needs."""

    def __init__(self, folder: Path, settings: object, stage: str, server: Failing, name: str) -> None:
        self.server, self.name = server, name
        server.afresh()
        self.trial = Trial(folder, settings, stage, places=(server.address,))
        self.requests = server.number
        self._known: dict[str, str] = {}

    def faults(self) -> list[Fault]:
        """All of them."""
        return [(n, mode) for n in range(self.requests) for mode in MODES]

    def told(self, fault: Fault) -> str:
        return f"{self.name} {fault[0]} fetch {fault[1]}"

    def wrong(self, fault: Fault) -> str:
        """What is wrong with what comes of a fault; empty where it is named and nothing of it is left."""
        self.trial.as_before()
        self.server.afresh(fault)
        wrong = self.trial.in_a_fork(self.trial.judged_run)
        self.server.afresh()
        if wrong:
            return wrong
        state = self.trial.state()
        if state not in self._known:
            self._known[state] = self.trial.in_a_fork(self.trial.gone_on_with)
        return self._known[state]


@contextmanager
def fetch_trials(folder: Path, settings: Callable[..., object], patched: object) -> Iterator[Callable[[str], Fetches]]:
    """A function that gives each of `TRIALS` on the sky of a `small_run`."""
    from files_server import Files
    from viewer import Viewer

    from lenscal.io import remote
    from lenscal.io.survey import service

    class Noon(datetime):
        """Every file is fetched at one moment, so that its time is no difference."""

        @classmethod
        def now(cls, zone=None):
            return datetime(2026, 11, 29, 12, tzinfo=UTC)

    viewer, files = Viewer(), Files(folder / "stores" / "sky")
    patched.setattr(service, "datetime", Noon)
    patched.setattr(remote, "_WAIT_S", 0.001)
    with failing() as server:

        def trial_of(name: str) -> Fetches:
            if name == "address":
                server.respond = files.respond
                return Fetches(
                    folder,
                    settings(name="far", stores="stores/far", survey={"root": server.address}),
                    "objects",
                    server,
                    name,
                )
            server.respond = lambda handler, _: viewer.respond(handler)
            asked = {
                "url": f"{server.address}/fits-cutout",
                "requests_per_second": 1e5,
                "attempts": 2,
                "backoff_seconds": 0.001,
            }
            served = settings(name="served", stores="stores/served", survey={"service": asked})
            for stage in ("objects", "manifest"):
                Trial(folder, served, stage).end()
            return Fetches(folder, served, "cutouts", server, name)

        yield trial_of


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="only every so many-th of the faults")
    parser.add_argument("--log", type=Path)
    parser.add_argument("--afresh", action="store_true", help="try those of the log again")
    arguments = parser.parse_args()
    log, bad = Log(arguments.log, arguments.afresh, TRIALS), 0
    folder = scratch()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that no fork is left behind
    try:
        with small_run(folder) as (settings, patched), fetch_trials(folder, settings, patched) as trial_of:
            for name in TRIALS:
                fetches = trial_of(name)
                faults = fetches.faults()[:: arguments.every]
                todo = [fault for fault in faults if log.done.get(fetches.told(fault), "?")]
                print(
                    f"{name}: {fetches.requests} requests, {len(faults)} faults, "
                    f"{len(faults) - len(todo)} of them in the log",
                    flush=True,
                )
                began = spoke = time.monotonic()
                for number, fault in enumerate(todo, 1):
                    wrong = fetches.wrong(fault)
                    log.add(fetches.told(fault), wrong)
                    if wrong:
                        print(f"  {fetches.told(fault)}: {wrong}", flush=True)
                    if time.monotonic() - spoke > 20 or number == len(todo):
                        spoke = time.monotonic()
                        rate = number / (spoke - began)
                        print(
                            f"  {name}: {number} of {len(todo)}, {rate:.1f}/s, "
                            f"{(len(todo) - number) / rate / 60:.1f} min to go",
                            flush=True,
                        )
                wrong = sum(bool(log.done[fetches.told(fault)]) for fault in faults)
                print(f"{name}: {len(faults) - wrong} of {len(faults)} faults named or without a trace", flush=True)
                bad += wrong
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return bad > 0


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    sys.exit(main())
