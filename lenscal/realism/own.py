"""Two sets of stamps of one's own under one estimator: are the arcs, the colours and the noise of the
second those of the first?
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from lenscal import config, schema
from lenscal.arguments import in_unit
from lenscal.errors import InputError
from lenscal.gates import Gate
from lenscal.kernels import pixels as sky
from lenscal.realism import criteria
from lenscal.realism.judge import judge
from lenscal.realism.measures import RING, pixels
from lenscal.realism.samples import Sample

_OF_A_RUN = ("morphology", "prior", "moffat", "panel")
"""Criteria that ask a detector, or a reader: stamps alone do not tell them."""
NO_HOSTS = "no hosts were given (hosts=...), so nobody knows whether the probe would see an arc at all"


@dataclass(frozen=True)
class Comparison:
    """What two sets of stamps have in common.

    Attributes
    ----------
    criteria : DataFrame
        One row a criterion: id, verdict (GO, NO-GO or not judged), claim, measure, value, lower, upper, minimum,
        maximum, why; the whole last.
    quantiles, noise, structure, probe : DataFrame
        The numbers behind them, as the stage realism writes them (docs/stages/realism.md).
    first, second : DataFrame
        Measures of each stamp: radius [arcsec], snr_g, snr_r, snr_z, colour_gr, colour_rz [mag], concentration, extent,
        opposite.
    """

    criteria: pd.DataFrame
    quantiles: pd.DataFrame
    noise: pd.DataFrame
    structure: pd.DataFrame
    probe: pd.DataFrame
    first: pd.DataFrame
    second: pd.DataFrame

    @property
    def verdict(self) -> str:
        """Of all criteria together."""
        return str(self.criteria["verdict"].iloc[-1])


def compare_stamps(
    first: ArrayLike,
    second: ArrayLike,
    hosts: ArrayLike | None = None,
    *,
    matches: ArrayLike | None = None,
    settings: config.Realism | None = None,
    seed: int = 0,
) -> Comparison:
    """Hold a second set of stamps against a first, such as injections against real lenses.

    Parameters
    ----------
    first, second : (n, band, y, x), (m, band, y, x) arrays
        Nanomaggy per pixel of 0.262 arcsec, bands g, r, z, or four: g, r, i, z; square, one side in pixels, the galaxy
        in the middle; NaN where nothing was observed.
    hosts : (m, band, y, x) array, optional
        The stamps of `second` before an arc was put in: with them it is known whether the probe sees arcs at all, and
        the noise about an arc is held against that of its own host.
    matches : (m,) integer array, optional
        Row of `first` that each of `second` was matched to, for intervals of matched sets.
    settings : config.Realism, optional
        Numbers of stamps below which nothing is judged, and the limits; those of a run by default.
    seed : int
        Of permutations, bootstraps and folds.

    Returns
    -------
    Comparison

    Raises
    ------
    ValueError
        Shapes that do not fit, or a stamp whose sky has no noise that can be measured; the message names its row.
    """
    settings = settings or config.Realism()
    one, two = _stamps("first", first), _stamps("second", second)
    if one.shape[1] != two.shape[1]:
        raise InputError(
            f"compare_stamps: the first stamps have {one.shape[1]} bands, the second {two.shape[1]}; give both in the "
            "same bands"
        )
    if one.shape[1:] != two.shape[1:]:
        raise InputError(
            f"compare_stamps: the first stamps are {one.shape[2]} pixels wide, the second {two.shape[2]}; cut "
            "both to one side (lenscal.crop)"
        )
    bare = None if hosts is None else _stamps("hosts", hosts)
    if bare is not None and bare.shape != two.shape:
        raise InputError(
            f"compare_stamps: hosts have shape {bare.shape}, expected that of the second stamps, {two.shape}"
        )
    of = _matches(matches, len(one), len(two))
    real = _sample("first", one, one, np.arange(len(one)), None, settings)
    injected = _sample("second", two, two if bare is None else bare, len(one) + np.arange(len(two)), of, settings)
    plain = (
        _none(injected) if bare is None else _sample("hosts", bare, bare, len(one) + np.arange(len(two)), of, settings)
    )
    changes = pd.DataFrame(
        columns=["kind", "name", "why_not", "base", "changed", "change", "from_95", "to_95", "pairs"]
    )
    gates, tables = judge(real, injected, plain, None, changes, settings, seed)
    kept = [_without_hosts(gate) if bare is None else gate for gate in gates if gate.id not in _OF_A_RUN]
    known = {name: tables[name] for name in ("quantiles", "noise", "structure", "probe")}
    return Comparison(
        criteria.table(kept).drop(columns="requirement"), **known, first=real.pixels.table, second=injected.pixels.table
    )


def _stamps(what: str, images: ArrayLike) -> np.ndarray:
    pixels_ = in_unit(f"compare_stamps: {what}", images, "1")
    if (
        pixels_.ndim != 4
        or pixels_.shape[1] not in schema.BANDS_OF_COUNT
        or pixels_.shape[2] != pixels_.shape[3]
        or not pixels_.size
    ):
        raise InputError(
            f"compare_stamps: {what} has shape {pixels_.shape}, expected (n, 3, y, x) with y = x, "
            f"bands {', '.join(schema.BANDS)} (or 4: {', '.join(schema.OPTICAL)})"
        )
    return pixels_.astype(np.float32)


def _matches(matches: ArrayLike | None, first: int, second: int) -> np.ndarray | None:
    if matches is None:
        return None
    found = np.asarray(matches)
    if found.shape != (second,) or found.dtype.kind not in "iu" or found.min() < 0 or found.max() >= first:
        raise InputError(
            f"compare_stamps: matches are {found.dtype} of shape {found.shape}, expected a row of the {first} first "
            f"stamps for each of the {second} second ones"
        )
    return found.astype(np.int64)


def _sample(
    what: str,
    images: np.ndarray,
    reference: np.ndarray,
    objects: np.ndarray,
    matches: np.ndarray | None,
    settings: config.Realism,
) -> Sample:
    ring = sky.ring(images.shape[-1], *RING)
    _, sigma, correlation = sky.sky_noise(reference, ring & ~sky.sources(reference, ring))
    bad = ~(np.isfinite(sigma) & np.isfinite(correlation) & (sigma > 0) & (correlation > 0)).all(1)
    if bad.any():
        raise InputError(
            f"compare_stamps: the sky noise of {int(bad.sum())} of {len(images)} stamps of {what} cannot be "
            f"measured, first row {int(np.argmax(bad))}; leave out stamps without sky about the galaxy, or "
            "with a band that was not observed"
        )
    bands = schema.BANDS_OF_COUNT[images.shape[1]]
    return Sample(objects, pixels(images, sigma, correlation, reference, settings, bands), matches)


def _none(sample: Sample) -> Sample:
    """A sample without a stamp."""
    return Sample(sample.objects[:0], sample.pixels.rows(np.empty(0, int)))


def _without_hosts(gate: Gate) -> Gate:
    """A criterion as it stands where no hosts were given: what it would say of them is left out, and
    the probe is not judged.
    """
    evidence = gate.evidence.partition("; the same hosts")[0]
    if gate.id != "probe":
        return replace(gate, evidence=evidence)
    few = "needed" in gate.cannot
    return replace(gate, evidence=evidence.partition(";")[0], cannot=gate.cannot if few else NO_HOSTS)
