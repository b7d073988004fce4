"""Which lenscal this is: the version that is installed, and the commit of a checkout."""

from __future__ import annotations


def version() -> str:
    """Version of the installed package; ``0+unknown`` for a checkout that was never installed."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("lenscal")
    except PackageNotFoundError:
        return "0+unknown"


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
