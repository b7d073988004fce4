"""The files of the page: what is fixed, the numbers as a script, and the stamps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

FIXED = ("index.html", "explore.css", "explore.js")


def files(content: Mapping[str, Any], sheets: Mapping[str, bytes]) -> dict[str, bytes]:
    """Every file of the folder by its place in it.

    Parameters
    ----------
    content : mapping
        What the script draws.
    sheets : mapping
        Pictures by their place in the folder.
    """
    fixed = {name: resources.files("lenscal.explorer").joinpath(name).read_bytes() for name in FIXED}
    # A page from disk may not fetch: its numbers come as a script. No tag can end in the middle of it.
    text = json.dumps(content, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    return {**fixed, "data.js": f"window.LENSCAL={text};\n".encode(), **sheets}
