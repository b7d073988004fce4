"""Sets of keys of the survey as bits: 2.8 billion of them are some 400 MB."""

from __future__ import annotations

import numpy as np

from lenscal.kernels.compiled import kept


class KeySet:
    """Numbers within groups (objects within a brick of a release), one bit each once packed."""

    def __init__(self) -> None:
        self._seen: dict[int, np.ndarray] = {}

    def add(self, group, number) -> np.ndarray:
        """Add keys in order.

        Parameters
        ----------
        group, number : (n,) int64 arrays
            Not negative.

        Returns
        -------
        (n,) bool array
            Keys that were in the set before, or earlier in these arrays.
        """
        group, number = np.asarray(group, np.int64), np.asarray(number, np.int64)
        groups, code = np.unique(group, return_inverse=True)
        top = _largest(code, number, groups.size)
        parts = []
        for g, size in zip(groups.tolist(), top + 1):
            old = self._seen.get(g, np.zeros(0, bool))
            parts.append(np.concatenate([old, np.zeros(size - old.size, bool)]) if size > old.size else old)
        ends = np.cumsum([part.size for part in parts], dtype=np.int64)
        whole = np.concatenate(parts) if parts else np.zeros(0, bool)
        twice = _mark(whole, (ends - [part.size for part in parts])[code] + number if parts else number)
        for g, end, part in zip(groups.tolist(), ends, parts):
            self._seen[g] = whole[end - part.size : end]
        return twice

    def packed(self) -> dict[int, bytes]:
        """Group -> bits of its numbers, the lowest number in the highest bit of the first byte."""
        return {group: np.packbits(seen).tobytes() for group, seen in sorted(self._seen.items())}


@kept()
def _largest(code, number, groups):
    top = np.zeros(groups, np.int64)
    for i in range(code.size):
        top[code[i]] = max(top[code[i]], number[i])
    return top


@kept()
def _mark(seen, place):
    twice = np.zeros(place.size, np.bool_)
    for i in range(place.size):
        twice[i] = seen[place[i]]
        seen[place[i]] = True
    return twice


def common(one: bytes, two: bytes) -> np.ndarray:
    """Numbers in both of two packed sets of one group."""
    size = min(len(one), len(two))
    both = np.frombuffer(one, np.uint8, size) & np.frombuffer(two, np.uint8, size)
    return np.flatnonzero(np.unpackbits(both))


def union(one: bytes, two: bytes) -> bytes:
    """Packed set of the numbers in either of two."""
    out = np.zeros(max(len(one), len(two)), np.uint8)
    for part in (one, two):
        out[: len(part)] |= np.frombuffer(part, np.uint8)
    return out.tobytes()


def contains(ids, some) -> np.ndarray:
    """Which of many numbers are among a few.

    Parameters
    ----------
    ids, some : (n,) and (m,) int64 arrays

    Returns
    -------
    (n,) bool array
    """
    some = np.unique(np.asarray(some, np.int64))
    if not some.size:
        return np.zeros(len(ids), bool)
    return _is_in(np.ascontiguousarray(ids, np.int64), some, max(int(some.size - 1).bit_length(), 1) + 4)


@kept()
def _is_in(ids, some, width):
    # One bit of a hash tells nearly all that are not there; the others are looked for.
    shift, odd = np.uint64(64 - width), np.uint64(0x9E3779B97F4A7C15)
    may = np.zeros(1 << width, np.bool_)
    for one in some:
        may[(np.uint64(one) * odd) >> shift] = True
    out = np.zeros(ids.size, np.bool_)
    for i in range(ids.size):
        if may[(np.uint64(ids[i]) * odd) >> shift]:
            low, high = 0, some.size
            while low < high:
                middle = (low + high) // 2
                if some[middle] < ids[i]:
                    low = middle + 1
                else:
                    high = middle
            out[i] = low < some.size and some[low] == ids[i]
    return out
