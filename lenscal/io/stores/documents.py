"""JSON and Parquet files of a run, written as a whole and read back with one clear sentence when they cannot be."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from lenscal.io import folders
from lenscal.io.folders import StoreError, write_bytes


def write_json(path: Path, content: object) -> str:
    """`write_bytes` of canonical JSON; its digest comes back."""
    text = (json.dumps(plain(content), indent=1, sort_keys=True, allow_nan=False) + "\n").encode()
    write_bytes(path, text)
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def plain(content: object) -> object:
    """The same as JSON can hold it: null for NaN, ``"Infinity"`` and ``"-Infinity"`` as text (which `float` reads)."""
    if isinstance(content, float) and not math.isfinite(content):
        return None if math.isnan(content) else "Infinity" if content > 0 else "-Infinity"
    if isinstance(content, Mapping):
        return {key: plain(value) for key, value in content.items()}
    return [plain(value) for value in content] if isinstance(content, (list, tuple)) else content


def write_table(path: Path, table: pd.DataFrame) -> str:
    """Write a Parquet file whole; its digest comes back."""
    sink = _parquet(table)
    write_bytes(path, sink)
    return hashlib.blake2b(sink, digest_size=16).hexdigest()


def digest_table(table: pd.DataFrame) -> int:
    """Digest of a table, as that of the file `write_table` would write."""
    return int(hashlib.blake2b(_parquet(table), digest_size=16).hexdigest(), 16)


def _parquet(table: pd.DataFrame) -> bytes:
    import io

    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False, compression="zstd")
    return buffer.getvalue()


def read_table(path: Path) -> pd.DataFrame:
    """A Parquet file, or all Parquet files of a folder in order of name, as one table."""
    if not path.exists():
        raise StoreError(f"'{path}' is missing; run the stage that writes it first")
    if path.is_file():
        return _parquet_file(path)
    files = folders.matching(path, "**/*.parquet")
    if not files:
        raise StoreError(f"'{path}' holds no Parquet file; run the stage that writes it again")
    return pd.concat([_parquet_file(f) for f in files], ignore_index=True)


def _parquet_file(path: Path) -> pd.DataFrame:
    import io

    with folders.saying(path, "read"):  # Arrow does not say of what it has an error
        if not folders.is_remote(path):
            return pd.read_parquet(path, partitioning=None)
        return pd.read_parquet(io.BytesIO(path.read_bytes()), partitioning=None)
