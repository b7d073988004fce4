"""The detector: trained on real cutouts, frozen under a content hash, asked for scores. All that knows PyTorch is here.

Importing this package does not import PyTorch; the first use of a name does.
"""

from __future__ import annotations

from typing import Any

_PUBLIC = {
    "train": "lenscal.detector.training",
    "Frozen": "lenscal.detector.frozen",
    "dump": "lenscal.detector.frozen",
    "load": "lenscal.detector.frozen",
    "register": "lenscal.detector.architectures",
    "check": "lenscal.detector.architectures",
    "Detector": "lenscal.detector.protocol",
    "FunctionDetector": "lenscal.detector.functions",
}

__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'lenscal.detector' has no attribute '{name}'")
    from importlib import import_module

    from lenscal.extras import named

    with named():
        return getattr(import_module(_PUBLIC[name]), name)
