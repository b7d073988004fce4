"""Digests of Datasets that add: of blocks in any cut and order."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import xarray as xr
import xxhash

SHORT = 1024  # bytes of a row below which variables are hashed together
CLOCK = {"download_timestamp"}  # says when, not what: the same pixels that came at another hour have the same digest

_MODULUS = 1 << 128


def digest(dataset: xr.Dataset, block: Iterable[str]) -> int:
    """128-bit sum of the hashes (XXH3) of the rows of a dataset along its block dims.

    Sums of disjoint blocks add (modulo 2^128), so the digest of a store does not depend on how it was cut into blocks.
    A row is labelled by `galaxy_id` where there is one, else by the coordinates of its block dims.
    """
    block = tuple(block)
    names = sorted(name for name in dataset.variables if set(block) <= set(dataset[name].dims) and name not in CLOCK)
    rows = int(np.prod([dataset.sizes[dim] for dim in block]))
    if not rows:
        return 0
    labels = None
    if "galaxy" not in block:
        axes = [dataset[dim].values for dim in block]
        labels = [
            repr([float(axis[i]) for axis, i in zip(axes, index)]).encode()
            for index in np.ndindex(*(len(axis) for axis in axes))
        ]
    head, short, long, texts = [], [], [], []
    for name in names:
        values = dataset.variables[name].transpose(*block, ...).values
        if values.dtype.kind in "OUT":
            head.append(name)
            texts.append(values.astype(object).reshape(rows, -1))
            continue
        plain = np.ascontiguousarray(values).reshape(rows, -1).view(np.uint8)
        head.append(f"{name} {plain.shape[1]}")
        (short if plain.shape[1] < SHORT else long).append(plain)
    parts = ([np.concatenate(short, axis=1)] if short else []) + long
    start = xxhash.xxh3_128("\0".join(head).encode())
    total = 0
    for i in range(rows):
        row = start.copy()
        if labels is not None:
            row.update(labels[i])
        for part in parts:
            row.update(part[i])
        for text in texts:
            row.update("\0".join(map(str, text[i])).encode() + b"\1")
        total += row.intdigest()
    return total % _MODULUS


def add_digests(digests: Iterable[int]) -> int:
    """Digest of a whole from the digests of its disjoint blocks."""
    return sum(digests) % _MODULUS
