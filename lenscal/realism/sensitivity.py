"""What another source, prior or profile of the PSF, or no inner images, would change: the same
injections again, pair by pair.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
import pandas as pd

from lenscal import config
from lenscal.experiments import Paired, Variant
from lenscal.kernels import noise

VISIBLE = 3.0  # signal-to-noise ratio in r from which inner images count as visible


def bare(injections: config.Injections) -> Variant:
    """The control: the same hosts without an injection. A detector that calls them lenses too
    hears nothing of sources.
    """
    return Variant("control", "no injection", injections, redraw=False)


def variants(injections: config.Injections, settings: config.Realism, beta: float) -> list[Variant]:
    """The run's own settings changed in one thing each: kind of source, prior, Moffat profile (`beta` is
    the run's), inner images.
    """
    out = []
    for source in settings.morphologies:
        if source != injections.source:
            stamps = (settings.source_stamps or injections.source_stamps) if source == "stamps" else None
            why_not = "the run file names no realism.source_stamps" if source == "stamps" and not stamps else ""
            changed = injections.model_copy(update={"source": source, "source_stamps": stamps})
            out.append(Variant("morphology", source, changed, why_not=why_not))
    for prior in settings.priors:
        if prior != injections.prior:
            out.append(Variant("prior", prior, injections.model_copy(update={"prior": prior})))
    for other in settings.moffat_betas:
        if other != beta:
            out.append(
                Variant(
                    "moffat",
                    f"beta {other:g}",
                    injections.model_copy(update={"moffat_beta": other}),
                    redraw=False,
                    moffat=True,
                )
            )
    if injections.inner_images:
        out.append(
            Variant("inner images", "suppressed", injections.model_copy(update={"inner_images": False}), redraw=False)
        )
    return out


def changes(base: np.ndarray, scored: Mapping[str, tuple[Variant, np.ndarray | str]], threshold: float) -> pd.DataFrame:
    """Change of completeness of each variant, from pairs on the same hosts, seeds and theta_e.

    Parameters
    ----------
    base : (n,) array
        Scores of the injections as the run has them, one for each host.
    scored : mapping of name to (Variant, (n,) scores or the reason why there are none)
    threshold : float
        A score at or above is a detection.

    Returns
    -------
    DataFrame
        kind, name, pairs, base (completeness as the run has it), changed (that of the variant), change, from_95, to_95,
        lost, won (discordant pairs), p, mid_p (McNemar), why_not. The interval is Newcombe's for pairs
        (`kernels.proportions.paired_difference`).
    """
    rows = []
    for variant, scores in scored.values():
        row = {"kind": variant.kind, "name": variant.name}
        if isinstance(scores, str):
            rows.append({**row, "pairs": 0, "lost": 0, "won": 0, "why_not": scores})
            continue
        rows.append({**row, **Paired.of_scores(base, scores, threshold).row(), "why_not": ""})
    columns = [
        "kind",
        "name",
        "pairs",
        "base",
        "changed",
        "change",
        "from_95",
        "to_95",
        "lost",
        "won",
        "p",
        "mid_p",
        "why_not",
    ]
    return pd.DataFrame(rows, columns=columns)


def kept(base: np.ndarray, scored: Mapping[str, tuple[Variant, np.ndarray | str]]) -> pd.DataFrame:
    """The scores of all pairs as one table, from which `changes` can be made again at another threshold.

    Returns
    -------
    DataFrame
        kind, name, pair (from 0), base, changed (scores); no row of a variant without any.
    """
    columns = ["kind", "name", "pair", "base", "changed"]
    parts = [
        pd.DataFrame(
            {"kind": v.kind, "name": v.name, "pair": np.arange(base.size), "base": base, "changed": scores},
            columns=columns,
        )
        for v, scores in scored.values()
        if not isinstance(scores, str)
    ]
    types = {"kind": object, "name": object, "pair": "int64", "base": "float64", "changed": "float64"}
    return pd.concat([pd.DataFrame(columns=columns), *parts], ignore_index=True).astype(types)


def again(pairs: pd.DataFrame, before: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """`changes` at another threshold.

    Parameters
    ----------
    pairs : DataFrame
        From `kept`.
    before : DataFrame
        From `changes`, at whatever threshold: it has the variants in their order, and why some have no scores.
    threshold : float
    """
    scored: dict[str, tuple[Variant, np.ndarray | str]] = {}
    base = np.empty(0)
    for kind, name, why_not in before[["kind", "name", "why_not"]].itertuples(index=False):
        rows = pairs[(pairs["kind"] == kind) & (pairs["name"] == name)]
        base = base if why_not else rows["base"].to_numpy(float)
        scored[f"{kind} {name}"] = Variant(kind, name), why_not or rows["changed"].to_numpy(float)
    return changes(base, scored, threshold)


def inner_images(
    whole: np.ndarray, outer: np.ndarray, theta_e: np.ndarray, sigma: np.ndarray, correlation: np.ndarray
) -> pd.DataFrame:
    """How visible the inner images are: their own signal-to-noise ratio, apart from the arc and its host.

    Parameters
    ----------
    whole, outer : (n, y, x) arrays
        r-band images without shot noise, with all images of the source and without the inner ones.
    theta_e : (n,) array
        Einstein radius, arcsec.
    sigma, correlation : (n,) arrays
        Noise of the host in r.

    Returns
    -------
    DataFrame
        theta_e (range, "all" first), n, snr_median, visible (share with a ratio of `VISIBLE` or more): an upper limit,
        as the light of the galaxy that they lie on is taken to be known.
    """
    with np.errstate(invalid="ignore"):
        independent = sigma * np.sqrt(correlation)  # of a pixel before the pixels were correlated
    snr = np.array(
        [
            noise.aperture_snr(np.ascontiguousarray(a - b, np.float32), float(s), noise.WHITE)
            for a, b, s in zip(whole, outer, independent)
        ]
    )
    edges = [0.0, 1.0, 1.5, 2.0, np.inf]
    rows = []
    for low, high in [(0.0, np.inf), *itertools.pairwise(edges)]:
        inside = (theta_e >= low) & (theta_e < high) & np.isfinite(snr)
        name = (
            "all"
            if (low, high) == (0.0, np.inf)
            else f"{low:g} to {high:g}"
            if np.isfinite(high)
            else f"{low:g} and more"
        )
        if inside.any():
            rows.append(
                {
                    "theta_e": name,
                    "n": int(inside.sum()),
                    "snr_median": float(np.median(snr[inside])),
                    "visible": float((snr[inside] >= VISIBLE).mean()),
                }
            )
    return pd.DataFrame(rows, columns=["theta_e", "n", "snr_median", "visible"])
