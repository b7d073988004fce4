"""The detector: trained on real cutouts, or brought by its owner; frozen under a content hash, asked for scores. All
that knows PyTorch is here.

Importing this package does not import PyTorch; the first use of a name does. The package can be called:
``lenscal.detector("model.onnx")`` is `bringing.bring`.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

_PUBLIC = {
    "train": "lenscal.detector.training",
    "Frozen": "lenscal.detector.frozen",
    "dump": "lenscal.detector.frozen",
    "load": "lenscal.detector.frozen",
    "register": "lenscal.detector.architectures",
    "check": "lenscal.detector.architectures",
    "Detector": "lenscal.detector.protocol",
    "Declaration": "lenscal.detector.declaration",
    "Brought": "lenscal.detector.brought",
    "ScoreTable": "lenscal.detector.score_table",
    "bring": "lenscal.detector.bringing",
    "written": "lenscal.detector.keeping",
    "reopened": "lenscal.detector.keeping",
    "inputs_of": "lenscal.detector.keeping",
    "kind_of": "lenscal.detector.bringing",
    "device_of": "lenscal.detector.fitting",
}

__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'lenscal.detector' has no attribute '{name}'")
    from importlib import import_module

    from lenscal.extras import named

    with named():
        return getattr(import_module(_PUBLIC[name]), name)


class _Door(ModuleType):
    """A package that can be called, so that one name serves for the room and for what most come for."""

    def __call__(self, *args: Any, **words: Any) -> Any:
        from lenscal.detector.bringing import bring

        return bring(*args, **words)


sys.modules[__name__].__class__ = _Door
