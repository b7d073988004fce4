"""A folder served over HTTP on this machine, by ranges of bytes, that can be told to misbehave."""

from __future__ import annotations

import re
import threading
import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Files:
    """`faults` are taken one for each GET of a file, in order, and after the last of them `always`: a
    status, "cut", "slow" or None.

    `ranges` says whether ranges are served; `sent` are the (start, stop) of the answers.
    """

    def __init__(self, folder):
        self.folder, self.faults, self.always, self.ranges, self.sent = folder, [], None, True, []
        self.address = ""

    def respond(self, handler, body):
        path = self.folder / handler.path.split("?")[0].strip("/")
        if path.is_dir():
            page = "".join(
                f'<a href="{item.name}{"/" * item.is_dir()}">{item.name}</a>\n' for item in sorted(path.iterdir())
            ).encode()
            self._head(handler, 200, len(page), {"Content-Type": "text/html"})
            handler.wfile.write(page if body else b"")
            return
        if not path.is_file():
            self._head(handler, 404, 0)
            return
        fault = (self.faults.pop(0) if self.faults else self.always) if body else None
        if isinstance(fault, int):
            self._head(handler, fault, 0)
            return
        size = path.stat().st_size
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", handler.headers.get("Range", "")) if self.ranges else None
        start, stop = (int(wanted[1]), min(int(wanted[2] or size - 1) + 1, size)) if wanted else (0, size)
        more = {"Accept-Ranges": "bytes"} if self.ranges else {"Accept-Ranges": "none"}
        if wanted:
            more["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
        self._head(handler, 206 if wanted else 200, stop - start, more)
        if not body:
            return
        with path.open("rb") as file:
            file.seek(start)
            content = file.read(stop - start)
        self.sent.append((start, stop))
        if fault == "slow":
            time.sleep(1.0)
        with suppress(ConnectionError):
            handler.wfile.write(content[: len(content) // 2] if fault == "cut" else content)
        if fault == "cut":
            handler.close_connection = True

    @staticmethod
    def _head(handler, status, size, more=()):
        handler.send_response(status)
        for name, value in {"Content-Length": str(size), **dict(more)}.items():
            handler.send_header(name, value)
        handler.end_headers()


@contextmanager
def serving(folder):
    """A server that listens on 127.0.0.1 only."""
    files = Files(folder)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            files.respond(self, True)

        def do_HEAD(self):
            files.respond(self, False)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    files.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield files
    finally:
        server.shutdown()
        server.server_close()
