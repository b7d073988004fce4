"""Keys of objects: `galaxy_id` as DESI packs a TARGETID, from the release, the brick and the
number of an object in it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

OBJID_BITS, BRICK_BITS, RELEASE_BITS = 22, 20, 16
"""DESI Collaboration 2023, desitarget: bits 0-21 OBJID, 22-41 BRICKID, 42-57 RELEASE."""


class Key(NamedTuple):
    """What a key is made of; each whole numbers of one shape."""

    objid: np.ndarray | int
    brickid: np.ndarray | int
    release: np.ndarray | int


def pack(objid: np.ndarray | int, brickid: np.ndarray | int, release: np.ndarray | int = 0) -> np.ndarray | int:
    """galaxy_id of objects; what `fits` does not hold of would take bits of its neighbours."""
    return objid | brickid << OBJID_BITS | release << (OBJID_BITS + BRICK_BITS)


def unpack(galaxy_id: np.ndarray | int) -> Key:
    """What a galaxy_id is made of."""
    return Key(
        galaxy_id & (1 << OBJID_BITS) - 1,
        galaxy_id >> OBJID_BITS & (1 << BRICK_BITS) - 1,
        galaxy_id >> (OBJID_BITS + BRICK_BITS),
    )


def fits(objid: np.ndarray | int, brickid: np.ndarray | int, release: np.ndarray | int) -> np.ndarray | bool:
    """Whether each part has room in a key: none negative, none wider than its bits."""
    return (objid >> OBJID_BITS == 0) & (brickid >> BRICK_BITS == 0) & (release >> RELEASE_BITS == 0)


def brick_of(galaxy_id: np.ndarray | int) -> np.ndarray | int:
    """Release and brick as one number: equal for objects of one brick of one release."""
    return galaxy_id >> OBJID_BITS
