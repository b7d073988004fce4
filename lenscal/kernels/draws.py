"""Random numbers that belong to an object: a draw depends on (run seed, purpose, object id), never on order."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numba
import numpy as np

from lenscal.kernels.compiled import kept

GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def key(seed: int, purpose: str) -> int:
    """64-bit key of one purpose of one run; distinct purposes give unrelated streams."""
    digest = hashlib.blake2b(f"{int(seed)}:{purpose}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


@numba.njit(nogil=True)
def mix(z) -> int:
    """Finaliser of SplitMix64 (Steele, Lea & Flood 2014, OOPSLA, figure 14): numbers GOLDEN
    apart become unrelated ones.
    """
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@kept()
def _hash(ids, key_, stream):
    out = np.empty(ids.size, np.uint64)
    offset = mix(key_ + GOLDEN * (stream + np.uint64(1)))
    for i in range(ids.size):
        out[i] = mix(mix(ids[i] + GOLDEN) ^ offset)
    return out


def hashes(seed: int, purpose: str, ids: np.ndarray, stream: int = 0) -> np.ndarray:
    """One 64-bit hash for each object.

    Parameters
    ----------
    seed : int
        Of the run.
    purpose : str
        What the numbers are for, such as ``"split"``; each purpose has its own stream.
    ids : integer array, any shape
        Of the objects; the result does not depend on their order or grouping.
    stream : int
        Further independent numbers for the same object and purpose.

    Returns
    -------
    uint64 array, of the shape of `ids`
    """
    ids = np.asarray(ids)
    if ids.dtype.kind not in "iu":
        raise TypeError(f"object ids are {ids.dtype}, not integers")
    flat = np.ascontiguousarray(ids).astype(np.int64, copy=False).view(np.uint64).ravel()
    return _hash(flat, np.uint64(key(seed, purpose)), np.uint64(stream)).reshape(ids.shape)


def uniform(seed: int, purpose: str, ids: np.ndarray, stream: int = 0) -> np.ndarray:
    """One number in the open interval (0, 1) for each object; arguments as in `hashes`."""
    return ((hashes(seed, purpose, ids, stream) >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def generator(seed: int, purpose: str, object_id: int) -> np.random.Generator:
    """NumPy generator of one object and purpose, for draws of any kind and number.

    Counter-based (Philox 4x64; Salmon et al. 2011), so that making one costs microseconds.
    """
    words = np.array([key(seed, purpose), np.int64(object_id).view(np.uint64)], np.uint64)
    return np.random.Generator(np.random.Philox(key=words))


def resampled(seed: int, purpose: str, ids: np.ndarray, which: Iterable[int]) -> np.ndarray:
    """Weights (draw, n) of a Bayesian bootstrap by object (Rubin 1981, Annals of Statistics 9, 130): exponential, of
    mean 1.

    The weight of an object in a draw depends on nothing but its id and the number of the draw; none is ever without, so
    that a class of a few is never empty.
    """
    return -np.log(np.stack([uniform(seed, purpose, ids, stream) for stream in which]))
