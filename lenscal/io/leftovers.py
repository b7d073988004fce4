"""What a process that was killed left behind in a folder, and its removal."""

from __future__ import annotations

from pathlib import Path

from .folders import inventory, is_remote, matching, remove, saying

_LEFT_OVER = (".tmp", ".partial")  # of a write that was killed: ours, and Zarr's


def tidy(path: Path) -> None:
    """Take away what a killed write left behind, in a folder and beside it (of a folder or file
    that was to take its place).
    """
    with saying(path, "read"):
        for name in inventory(path):
            if name.endswith(_LEFT_OVER):
                remove(path / name)
        for unfinished in () if is_remote(path) else matching(path.parent, f".{path.name}.*.tmp"):
            remove(unfinished)
