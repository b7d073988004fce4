"""Groups of positions on the sphere that chains of close pairs link, and what lies beside another group."""

from __future__ import annotations

import numpy as np

from lenscal.kernels.compiled import kept

from .candidates import ROUNDING, turn
from .matching import plain, twins


def beside_another_group(ra, dec, group, radius) -> np.ndarray:
    """Positions that lie in the box of another group, widened by a radius: all that can be near a member of another.

    Parameters
    ----------
    ra, dec : (n,) arrays
        In degrees.
    group : (n,) int64 array
        Codes from 0.
    radius : float
        In arcsec.

    Returns
    -------
    (n,) bool array
    """
    group = np.ascontiguousarray(group, np.int64)
    if not group.size:
        return np.zeros(0, bool)
    ra, dec, reach = plain(ra), plain(dec), radius * (1 + 1e-9) / 3600 + ROUNDING
    boxes = _boxes(ra, dec, group, int(group.max()) + 1, float(ra[0]))
    far = np.maximum(np.abs(boxes[:, 2]), np.abs(boxes[:, 3])) + reach
    with np.errstate(invalid="ignore"):
        wide = np.degrees(
            np.arcsin(np.minimum(np.sin(np.radians(reach)) / np.cos(np.radians(np.minimum(far, 89.0))), 1))
        )
    wide = np.where(far < 89, wide + ROUNDING, 360.0)
    boxes[:, 0] -= wide
    boxes[:, 1] += wide
    boxes[:, 2] -= reach
    boxes[:, 3] += reach
    over = (boxes[:, 0] < -180) | (boxes[:, 1] > 180)  # across the far side of the sky: all around
    boxes[over, 0], boxes[over, 1] = -360.0, 360.0
    return _in_other_boxes(ra, dec, group, boxes, float(ra[0]))


@kept()
def _boxes(ra, dec, group, groups, centre):
    out = np.empty((groups, 4))
    out[:, 0::2], out[:, 1::2] = 400.0, -400.0
    for i in range(group.size):
        box, turned = out[group[i]], turn(ra[i], centre)
        box[0], box[1] = min(box[0], turned), max(box[1], turned)
        box[2], box[3] = min(box[2], dec[i]), max(box[3], dec[i])
    return out


@kept()
def _in_other_boxes(ra, dec, group, boxes, centre):
    groups = boxes.shape[0]
    start = np.zeros(groups + 1, np.int64)  # for each group, the others whose boxes meet its own
    near = np.empty(0, np.int64)
    for enter in (False, True):
        found = 0
        for a in range(groups):
            for b in range(groups):
                one, two = boxes[a], boxes[b]
                if a != b and one[0] <= two[1] and two[0] <= one[1] and one[2] <= two[3] and two[2] <= one[3]:
                    if enter:
                        near[found] = b
                    found += 1
            start[a + 1] = found
        if not enter:
            near = np.empty(found, np.int64)
    # Most positions lie where no other box reaches: in what is left when each of these cuts the side it takes least
    # from.
    clear = boxes.copy()
    for a in range(groups):
        own = clear[a]
        for at in range(start[a], start[a + 1]):
            box = boxes[near[at]]
            cuts = (box[1] - own[0], own[1] - box[0], box[3] - own[2], own[3] - box[2])
            least = min(cuts)
            if least == cuts[0]:
                own[0] = max(own[0], np.nextafter(box[1], np.inf))
            elif least == cuts[1]:
                own[1] = min(own[1], np.nextafter(box[0], -np.inf))
            elif least == cuts[2]:
                own[2] = max(own[2], np.nextafter(box[3], np.inf))
            else:
                own[3] = min(own[3], np.nextafter(box[2], -np.inf))
    out = np.zeros(group.size, np.bool_)
    for i in range(group.size):
        a, turned = group[i], turn(ra[i], centre)
        own = clear[a]
        if own[0] <= turned <= own[1] and own[2] <= dec[i] <= own[3]:
            continue
        for at in range(start[a], start[a + 1]):
            box = boxes[near[at]]
            if box[0] <= turned <= box[1] and box[2] <= dec[i] <= box[3]:
                out[i] = True
                break
    return out


def groups(ra, dec, radius) -> np.ndarray:
    """Friends of friends: positions linked by steps within a radius.

    Parameters
    ----------
    ra, dec : (n,) arrays
        In degrees.
    radius : float
        In arcsec.

    Returns
    -------
    (n,) int64 array
        The smallest index in each position's group.
    """
    first, second = twins(ra, dec, radius)
    label = np.arange(np.asarray(ra).size)
    while first.size:
        low = label.copy()
        np.minimum.at(low, first, label[second])
        np.minimum.at(low, second, label[first])
        low = low[low]
        if np.array_equal(low, label):
            break
        label = low
    return label
