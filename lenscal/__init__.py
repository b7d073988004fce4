"""lenscal: what a strong-lens search missed, what fooled it, and how sure we are.

The way of the data::

    outside catalogues - objects - manifest - cutouts - quality -+- detector   -+- scores - completeness -+- report
                                                                 +- injections -+           failures -----+

Stages meet in tables and Datasets that `lenscal.schema` declares; `lenscal run RUNFILE` opens, calls and writes them.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

try:
    __version__ = version("lenscal")
except PackageNotFoundError:  # a checkout that was never installed
    __version__ = "0+unknown"

_PUBLIC = {
    "render": ("lenscal.injections.rendering", "render"),
    "injection_parameters": ("lenscal.injections.export", "parameters_of"),
    "lenstronomy_kwargs": ("lenscal.injections.export", "lenstronomy_kwargs"),
    "open_catalog": ("lenscal.io.catalog", "open_catalog"),
    "open_store": ("lenscal.io.stores", "open"),
    "load_settings": ("lenscal.config", "load"),
}

__all__ = ["commit", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'lenscal' has no attribute '{name}'")
    from importlib import import_module

    module, attribute = _PUBLIC[name]
    return getattr(import_module(module), attribute)


def commit() -> str:
    """Commit of the checkout this package runs from; empty for an installed copy."""
    from pathlib import Path

    head = Path(__file__).resolve().parents[1] / ".git" / "HEAD"
    if not head.is_file():
        return ""
    text = head.read_text().strip()
    if not text.startswith("ref: "):
        return text
    ref = head.parent / text[5:]
    return ref.read_text().strip() if ref.is_file() else ""
