"""Which region of a survey a file belongs to, by the folder that it lies in."""

from __future__ import annotations

import re
from pathlib import Path

from lenscal import schema

_SWEEPS = re.compile(rf"(?:^|/)({'|'.join(schema.REGIONS)})/sweep(/\d+(\.\d+)+)?/[^/]+$")


def region_of(path: str | Path) -> str:
    """Region whose folder holds a sweep, as a path or as a list of checksums spells it; empty where it lies in none."""
    found = _SWEEPS.search(str(path))
    return found[1] if found else ""
