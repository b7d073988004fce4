"""Whether the lenscal that a Python has is that of the run: then its compiled kernels serve as well."""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(settings: str) -> int:
    """Exit code: 0 where the sources are those of the run.

    Parameters
    ----------
    settings : path
        settings.json of the bundle.
    """
    from lenscal.engine.code import code

    return int(json.loads(Path(settings).read_text())["versions"]["lenscal"] != code())


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
