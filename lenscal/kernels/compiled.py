"""Where compiled kernels are kept: a folder named after the content of all kernels.

Numba keeps a compiled function as long as its own file is unchanged, even when a function that it calls in another file
has changed. Importing this module before the kernels are declared gives every version of the kernels a folder of its
own.

Rounding must not follow what was compiled before. So a kernel that is kept calls none that is kept (machine code from
the folder cannot be inlined), and what it calls with relaxed arithmetic is inlined by force: left as a function of its
own it is there twice in the process that compiles it, and once, rounding otherwise, in those that load it.
"""

import atexit
import hashlib
import os
import shutil
import sys
import tempfile
from contextlib import suppress
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
    """Where compiled kernels can be kept: as the user says, beside the sources, in the user's
    cache, or in a temporary folder.

    Raises
    ------
    OSError
        Nothing of this can be written.
    """
    if numba.config.CACHE_DIR:
        return Path(numba.config.CACHE_DIR)
    cache = os.environ.get("XDG_CACHE_HOME")
    with suppress(RuntimeError):  # there is no home
        cache = cache or Path.home() / ".cache"
    for place in [FOLDER / "__pycache__", *([Path(cache) / "lenscal"] if cache else [])]:
        if _writable(place):
            return place
    try:
        place = Path(tempfile.mkdtemp(prefix="lenscal-kernels-"))
    except OSError:
        raise OSError(
            "compiled kernels can be kept nowhere: set NUMBA_CACHE_DIR to a folder that can be written"
        ) from None
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    os.environ["NUMBA_CACHE_DIR"] = str(place)  # of the processes that this one starts
    print(
        "lenscal: compiled kernels cannot be kept beside the package or in the user's cache; each run compiles them "
        f"anew in '{place}' (set NUMBA_CACHE_DIR to keep them)",
        file=sys.stderr,
    )
    return place


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


numba.config.CACHE_DIR = str(_base() / f"kernels-{digest()}")
