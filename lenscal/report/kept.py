"""Figures of an earlier report that need not be drawn again."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from functools import cached_property
from importlib.metadata import version
from typing import Any

from lenscal.report.asked import Asked, Digests, plain
from lenscal.report.inputs import Inputs

NAME = "figures/drawn.json"
"""File of a report that says of each figure from which parts of the inputs it was drawn, by their digests."""
Earlier = Callable[[str], "bytes | None"]
"""Content of a file of an earlier report, by its name; None where there is none."""


class Kept:
    """What an earlier report, written by the same code, has of the figures of these inputs, and what is noted for the
    next one.
    """

    def __init__(self, inputs: Inputs, earlier: Earlier | None = None) -> None:
        self._inputs, self._earlier, self._digests = inputs, earlier or (lambda name: None), Digests(inputs)
        self._made: dict[str, dict] = {}
        self._new: dict[str, str] = {}

    def asked(self) -> Any:
        """The inputs, as a figure is to see them: they note what it asks of them."""
        return Asked(self._inputs, self._digests)

    def of(self, name: str, plan: Callable) -> tuple[bytes | str, bytes | None] | None:
        """PNG and PDF of a figure, or why there is none and None; None where it is to be drawn."""
        record = self._records.get(name)
        if record is None or record["plan"] != plain(plan) or not self._digests.same(record["asked"]):
            return None
        if record["why_not"]:
            found: tuple[bytes | str, bytes | None] = record["why_not"], None
        else:
            picture, vectors = (self._earlier(f"figures/{name}.{kind}") for kind in ("png", "pdf"))
            if picture is None or vectors is None or _hash(picture) != record["png"]:
                return None
            found = picture, vectors
        self._made[name] = record
        return found

    def note(self, name: str, plan: Callable, asked: Mapping[str, str], picture: bytes | str, in_page: str) -> None:
        """Note from what a figure was drawn, and how the page is to hold it."""
        self._new[name] = in_page
        self._made[name] = {
            "plan": plain(plan),
            "asked": dict(sorted(asked.items())),
            "why_not": picture if isinstance(picture, str) else "",
            "png": "" if isinstance(picture, str) else _hash(picture),
        }

    def embedded(self, name: str, picture: bytes) -> str | None:
        """How the page holds this picture: that of the earlier report, or as was noted; None where it is not known."""
        if name in self._new:
            return self._new[name]
        record = self._records.get(name)
        return self._in_page.get(name) if record is not None and record["png"] == _hash(picture) else None

    @cached_property
    def _in_page(self) -> dict[str, str]:
        page = (self._earlier("index.html") or b"").decode()
        return dict(re.findall(r'<figure id="figure-([^"]+)">.{1,400}? src="(data:[^"]+)"', page))

    @cached_property
    def _records(self) -> dict[str, dict]:
        found = json.loads(self._earlier(NAME) or b"{}")
        return found["figures"] if found.get("drawn_by") == _drawn_by() else {}

    def content(self) -> bytes:
        """Of the file `NAME` of the report that is written now."""
        return (
            json.dumps(
                {"drawn_by": _drawn_by(), "figures": dict(sorted(self._made.items()))}, indent=1, ensure_ascii=False
            )
            + "\n"
        ).encode()


def _drawn_by() -> list[str]:
    return [f"{name} {version(name)}" for name in ("matplotlib", "pillow")]


def _hash(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()
