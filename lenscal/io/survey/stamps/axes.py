"""Which axis of an array beside the pixels is which: planes and PSFs of each stamp and band, or of one of both."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lenscal.io.survey.stamps.profiles import Profile, StampError


def planes_of(profile: Profile, name: str, found: np.ndarray, shape: Sequence[int], what: str) -> np.ndarray:
    """(object, band, y, x) of planes, in the bands that the profile asks for: of each stamp and band, or one for all
    bands or stamps.

    Parameters
    ----------
    profile, name
        The set, and the file of it.
    found : array
        As it lies there.
    shape : (object, band, y, x)
        Of the pixels of the file.
    what : str
        `weight`, `mask` or `maskbits`.

    Raises
    ------
    StampError
        Its shape is none of those, or means two of them.
    """
    count, bands, n_y, n_x = shape
    listed = getattr(profile, what)
    if isinstance(listed, list) and len(listed) > 1:  # a plane, or a stack of them, for each band
        if found.shape == (bands, count, n_y, n_x):
            return found.swapaxes(0, 1)[:, _wanted(profile)]
        if found.shape == (bands, n_y, n_x):
            return _for_all(found[_wanted(profile)][None], profile, count)
        raise _refusal(profile, name, what, found, shape)
    if profile.axes is not None and found.ndim == len(profile.axes):
        found = _in_order(found, profile.axes)
    if found.shape == tuple(shape):
        return found[:, _wanted(profile)]
    of_objects, of_bands = (found.shape == (n, n_y, n_x) for n in (count, bands))
    if of_objects and of_bands:
        _same_or_refused(profile, name, f"its {what}", found, count)
    if of_objects or found.shape == (n_y, n_x):
        return _for_all(found.reshape(-1, 1, n_y, n_x), profile, count)
    if of_bands:
        return _for_all(found[_wanted(profile)][None], profile, count)
    raise _refusal(profile, name, what, found, shape)


def psfs_of(profile: Profile, name: str, found: np.ndarray, shape: Sequence[int], *, of_all: bool) -> np.ndarray:
    """(object, band, y, x) PSF images, in the bands that the profile asks for; `of_all` of a file of its own, which
    holds one for all stamps.

    Raises
    ------
    StampError
        Its shape is none of those, or means two of them.
    """
    count, bands = shape[:2]
    heads = found.shape[:-2]
    if found.ndim == 2:
        return _for_all(found[None, None], profile, count)
    if heads == (bands,):
        if count == bands and not of_all:
            _same_or_refused(profile, name, "its PSF", found, count)
        return _for_all(found[_wanted(profile)][None], profile, count)
    axes = profile.axes or ()
    if heads == (bands, count) and "object" in axes and axes.index("band") < axes.index("object"):
        return found.swapaxes(0, 1)[:, _wanted(profile)]
    if heads == (count, bands):
        return found[:, _wanted(profile)]
    raise StampError(
        f"profile '{profile.name}': '{name}': its PSF has the shape {found.shape}; expected (object, band, y, x), "
        f"(band, y, x) or (y, x) with {count} object(s) and {bands} band(s)"
    )


def _wanted(profile: Profile) -> list[int]:
    return [profile.bands.index(band) for band in profile.asked]


def _for_all(found: np.ndarray, profile: Profile, count: int) -> np.ndarray:
    return np.broadcast_to(found, (count, len(profile.asked), *found.shape[-2:]))


def _in_order(found: np.ndarray, axes: Sequence[str]) -> np.ndarray:
    """(object, band, y, x) of an array with the axes of the pixels."""
    if "object" not in axes:
        found, axes = found[None], ["object", *axes]
    return np.transpose(found, [list(axes).index(axis) for axis in ("object", "band", "y", "x")])


def _same_or_refused(profile: Profile, name: str, what: str, found: np.ndarray, count: int) -> None:
    """As many stamps as bands: one plane for each may be of either, which is one where all planes are the same."""
    first = found[:1]
    if ((found == first) | ((found != found) & (first != first))).all():
        return
    raise StampError(
        f"profile '{profile.name}': '{name}' holds {count} stamps in {count} bands, so {what} of the shape "
        f"{found.shape} may be one for each stamp or one for each band; write it with all four axes, "
        f"({count}, {count}, {found.shape[-2]}, {found.shape[-1]})"
    )


def _refusal(profile: Profile, name: str, what: str, found: np.ndarray, shape: Sequence[int]) -> StampError:
    return StampError(
        f"profile '{profile.name}': '{name}': its {what} has the shape {found.shape}; expected that of the pixels "
        f"{tuple(shape)}, or one plane for all bands"
    )
