"""Where compiled kernels are kept: a folder named after the content of all kernels.

Numba keeps a compiled function as long as its own file is unchanged, even when a function that it calls in another file has
changed. Importing this module before the kernels are declared gives every version of the kernels a folder of its own.

Rounding must not follow what was compiled before. So a kernel that is kept calls none that is kept (machine code from the folder cannot
be inlined), and what it calls with relaxed arithmetic is inlined by force: left as a function of its own it is there twice in the
process that compiles it, and once, rounding otherwise, in those that load it.
"""

import hashlib
import os
from pathlib import Path

import numba

FOLDER = Path(__file__).resolve().parent


def digest() -> str:
    """Short hash of the sources of all kernels."""
    whole = hashlib.blake2b(digest_size=8)
    for path in sorted(FOLDER.glob("*.py")):
        whole.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return whole.hexdigest()


def _base() -> Path:
    if numba.config.CACHE_DIR:
        return Path(numba.config.CACHE_DIR)
    if os.access(FOLDER, os.W_OK):
        return FOLDER / "__pycache__"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lenscal"


numba.config.CACHE_DIR = str(_base() / f"kernels-{digest()}")
