"""A cutout service on this machine, as the viewer of the Legacy Surveys answers, that can be told to misbehave."""

from __future__ import annotations

import io
import threading
import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import numpy as np
from astropy.io import fits

SCALE = 0.262


def sky(ra, dec, size):
    """Pixels of a made-up sky: image and inverse variance (band, y, x), mask bits (y, x);
    different at every position.
    """
    rng = np.random.default_rng([int(ra * 1e6), int((dec + 90) * 1e6), size])
    image = rng.normal(0, 0.01, (3, size, size)).astype("f4")
    invvar = rng.uniform(1e3, 2e3, (3, size, size)).astype("f4")
    image[:, :2, :2] = invvar[:, :2, :2] = 0  # never observed
    return image, invvar, rng.integers(0, 1 << 12, (size, size), dtype="i2")


def answer(query, planes, source=sky, shrink=0, bands="grz", shift=0.0, scale=SCALE, units=None, without=()):
    """The FITS file of a request."""
    ra, dec, size = float(query["ra"][0]), float(query["dec"][0]), int(query["size"][0]) - shrink
    cards = fits.Header(
        [
            ("BANDS", bands),
            ("SURVEY", "LegacySurvey"),
            ("VERSION", "DR10"),
            ("CTYPE1", "RA---TAN"),
            ("CTYPE2", "DEC--TAN"),
            ("CRVAL1", ra),
            ("CRVAL2", dec + shift / 3600),
            ("CRPIX1", (size + 1) / 2),
            ("CRPIX2", (size + 1) / 2),
            ("CD1_1", -scale / 3600),
            ("CD1_2", 0.0),
            ("CD2_1", 0.0),
            ("CD2_2", scale / 3600),
        ]
    )
    if units:
        cards["BUNIT"] = units
    for card in without:
        del cards[card]
    hdus = fits.HDUList()
    for name, data in zip(("image", "invvar", "maskbits"), source(ra, dec, size)):
        if name == "image" or name in planes:
            hdus.append((fits.ImageHDU if len(hdus) else fits.PrimaryHDU)(data, cards))
            hdus[-1].header["IMAGETYP"] = name.upper()
    buffer = io.BytesIO()
    hdus.writeto(buffer)
    return buffer.getvalue()


class Viewer:
    """`source` gives the planes of a position (None: 404); `faults` are taken one for each request, in order, and after
    the last of them `always`; None is an honest answer.
    """

    def __init__(self):
        self.faults, self.always, self.asked, self.source, self.planes = [], None, [], sky, ("invvar", "maskbits")
        self.address = ""

    def respond(self, handler):
        query = parse_qs(urlsplit(handler.path).query, keep_blank_values=True)
        self.asked.append((time.monotonic(), handler.path))
        fault = self.faults.pop(0) if self.faults else self.always
        fault = fault if isinstance(fault, dict) else {"status": fault} if fault else {}
        if "status" in fault:
            handler.send_response(fault["status"])
            if "after" in fault:
                handler.send_header("Retry-After", str(fault["after"]))
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        if self.source(*(float(query[name][0]) for name in ("ra", "dec")), int(query["size"][0])) is None:
            handler.send_error(404)
            return
        time.sleep(fault.get("slow", 0))
        planes = [p for p in self.planes if p in query and p not in fault.get("lacks", ())]
        changes = {k: v for k, v in fault.items() if k in ("shrink", "bands", "shift", "scale", "units", "without")}
        body = fault["body"] if "body" in fault else answer(query, planes, self.source, **changes)
        handler.send_response(200)
        if fault.get("length", True):
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[: fault.get("cut", len(body))])


@contextmanager
def serving():
    """A viewer that listens on 127.0.0.1 only."""
    viewer = Viewer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            with suppress(BrokenPipeError, ConnectionResetError):
                viewer.respond(self)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    viewer.address = f"http://127.0.0.1:{server.server_address[1]}/fits-cutout"
    try:
        yield viewer
    finally:
        server.shutdown()
        server.server_close()
