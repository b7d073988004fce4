"""This lenscal as a wheel, and the versions of what it works with: machines install the very sources of the run."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from functools import lru_cache
from importlib import metadata
from pathlib import Path

import lenscal
from lenscal.clusters.ec2.aws import ClusterError

_PACKAGE = Path(lenscal.__file__).parent
_TIME = (2020, 1, 1, 0, 0, 0)  # the same sources give the same bytes
EXTRAS = ("detector",)
"""Extras that workers need."""


@lru_cache(maxsize=1)
def wheel() -> tuple[str, bytes]:
    """File name and content of a wheel of the sources that this process runs on, from a checkout or an installation."""
    found = metadata.distribution("lenscal")
    info = f"lenscal-{found.version}.dist-info"
    files = {
        f"lenscal/{path.relative_to(_PACKAGE).as_posix()}": path.read_bytes()
        for path in sorted(_PACKAGE.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
    files[f"{info}/METADATA"] = (found.read_text("METADATA") or "").encode()
    files[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: lenscal\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    record = "".join(f"{name},sha256={_sha256(content)},{len(content)}\n" for name, content in files.items())
    files[f"{info}/RECORD"] = (record + f"{info}/RECORD,,\n").encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, _TIME), content, zipfile.ZIP_DEFLATED)
    return f"lenscal-{found.version}-py3-none-any.whl", packed.getvalue()


def _of_machines(name: str, version: str) -> str:
    """The version that machines install: of PyTorch the build without CUDA, whatever is installed here."""
    return f"{version.partition('+')[0]}+cpu" if name == "torch" else version


def _sha256(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


@lru_cache(maxsize=1)
def constraints() -> str:
    """Versions of all that lenscal and the extras of workers require, as they are installed here: ``name==version``.

    Raises
    ------
    ClusterError
        A requirement is not installed here: a machine could not be given the version that the run has.
    """
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    pins: dict[str, str] = {}
    todo = [("lenscal", frozenset(EXTRAS))]
    seen: set[tuple[str, frozenset[str]]] = set()
    while todo:
        name, extras = one = todo.pop()
        if one in seen:
            continue
        seen.add(one)
        try:
            found = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            raise ClusterError(
                f"{name} is not installed here, and workers need it: pip install 'lenscal[{','.join(EXTRAS)}]'"
            ) from None
        if name != "lenscal":
            pins[canonicalize_name(name)] = _of_machines(name, found.version)
        for text in found.requires or []:
            needed = Requirement(text)
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in (*extras, "")):
                todo.append((needed.name, frozenset(needed.extras)))
    return "".join(f"{name}=={pins[name]}\n" for name in sorted(pins))
