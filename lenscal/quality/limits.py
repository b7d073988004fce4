"""What a block of cutouts may look like before a run stops at it: rates, noise and histograms, each block by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import xarray as xr

from lenscal import config
from lenscal.errors import InputError, LenscalError
from lenscal.quality.measures import REASONS
from lenscal.quality.partitions import HISTOGRAMS, summary

USABLE_MIN = 16  # cutouts below which the medians and histograms of a block are not judged


class QualityError(LenscalError, RuntimeError):
    """A block of cutouts that should not be worked on further; the message names it."""


def check_reasons(settings: config.Quality) -> None:
    """Refuse limits of reasons that there are not.

    Raises
    ------
    InputError
        `reason_fraction_max` names a reason that is none.
    """
    if unknown := [reason for reason in settings.reason_fraction_max if reason not in REASONS]:
        raise InputError(f"quality.reason_fraction_max names '{unknown[0]}'; reasons are {', '.join(REASONS)}")


def check_block(quality: xr.Dataset, name: str, settings: config.Quality) -> dict[str, object]:
    """The `summary` of a block, once it is within the limits of the settings.

    Raises
    ------
    QualityError
        It is not: the message names the block, what was found, and the limit. The first of: the share that is unfit,
        the share of a reason, the noise against the inverse variance, the correlation of the noise, the share off a
        histogram.
    ValueError
        `reason_fraction_max` names a reason that is none.
    """
    check_reasons(settings)
    block = summary(quality, name)
    for problem, setting in _problems(block, quality["band"].values.tolist(), settings):
        raise QualityError(f"quality: {problem}; look at the pixels of this block, or change quality.{setting}")
    return block


def _problems(block: Mapping, bands: list[str], settings: config.Quality) -> Iterator[tuple[str, str]]:
    """What is beyond its limit, and the setting that has the limit."""
    rows, usable, name = block["rows"], block["usable"], block["partition"]
    reasons = {reason: block["reasons"][reason] for reason in REASONS if reason in block["reasons"]}
    failed = rows - usable
    if rows and failed / rows > settings.failed_fraction_max:
        words = ", ".join(f"{reason}: {count}" for reason, count in reasons.items())
        yield (
            f"of the {rows} cutouts of block '{name}' {failed} ({100 * failed / rows:.1f} %) are unfit for use, above "
            f"the limit of {100 * settings.failed_fraction_max:g} % ({words})",
            "failed_fraction_max",
        )
    for reason, limit in settings.reason_fraction_max.items():
        count = reasons.get(reason, 0)
        if rows and count / rows > limit:
            yield (
                f"of the {rows} cutouts of block '{name}' {count} ({100 * count / rows:.1f} %) have '{reason}', above "
                f"the limit of {100 * limit:g} %",
                "reason_fraction_max",
            )
    if usable < USABLE_MIN:
        return
    for key, what, setting in (
        ("noise_ratio", "median sigma^2 invvar of the sky", "noise_ratio_limits"),
        ("correlation", "median correlation of the noise", "correlation_limits"),
    ):
        low, high = getattr(settings, setting)
        for band in bands:
            value = block[f"{key}_{band}"]
            if value is not None and not low <= value <= high:
                yield f"block '{name}' has a {what} of {value:.3g} in {band}, outside {low:g} to {high:g}", setting
    for column in HISTOGRAMS:
        counts = block[column]
        off = counts[0] + counts[-2] + counts[-1]  # below, above, without a number
        if off / usable > settings.off_histogram_max:
            yield (
                f"of the {usable} usable cutouts of block '{name}' {off} ({100 * off / usable:.1f} %) have a {column} "
                f"beyond its histogram or none ({counts[0]} below, {counts[-2]} above, {counts[-1]} none), above the "
                f"limit of {100 * settings.off_histogram_max:g} %",
                "off_histogram_max",
            )
