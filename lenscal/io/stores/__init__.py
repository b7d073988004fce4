"""Stores of a run: Datasets in Zarr (`datasets`, `shards`), JSON and Parquet (`documents`), and their digests."""

from lenscal.io.folders import StoreError, write_bytes

from .datasets import consolidate, create, digest_files, open, write, write_group
from .digesting import add_digests, digest
from .documents import digest_table, plain, read_table, write_json, write_table
from .shards import files, write_block

__all__ = [
    "StoreError",
    "add_digests",
    "consolidate",
    "create",
    "digest",
    "digest_files",
    "digest_table",
    "files",
    "open",
    "plain",
    "read_table",
    "write",
    "write_block",
    "write_bytes",
    "write_group",
    "write_json",
    "write_table",
]
