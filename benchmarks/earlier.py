"""An earlier commit beside this one: its sources, and a file run with either."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

BEFORE = "60ea248"
CHECKOUT = Path(__file__).resolve().parents[1]


def unpacked(commit: str, folder: Path) -> Path:
    """The sources of a commit."""
    content = subprocess.run(
        ["git", "archive", commit, "lenscal"], cwd=CHECKOUT, capture_output=True, check=True
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def child(sources: Path, file: str, *arguments: str, **environment: str) -> str:
    """Output of a file, run in a process of its own with the lenscal of some sources."""
    paths = os.pathsep.join(
        map(str, (sources, CHECKOUT / "benchmarks"))
    )  # safe: neither this folder nor that of the file
    own = {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "PYTHONSAFEPATH": "1"}
    return subprocess.run(
        [sys.executable, file, *arguments],
        env=os.environ | own | environment,
        cwd=sources,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    ).stdout
