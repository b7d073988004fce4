"""The comparison: real lenses beside injections, every criterion with its numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lenscal import config, schema
from lenscal.gates import Gate
from lenscal.kernels import draws, quantiles, twosamples
from lenscal.realism import criteria, probe
from lenscal.realism.criteria import criterion, too_few
from lenscal.realism.measures import COLOURS, NOISE_EDGES, STRUCTURE, Pixels

PERCENT = (10, 50, 90)
BOOTSTRAPS = 1000
LEVEL = 0.95
_NAMES = {"concentration": "radial concentration", "extent": "azimuthal extent", "opposite": "light across the centre"}


@dataclass(frozen=True)
class Sample:
    """Images of one kind: which object each shows, what was measured, and the real lens that each was
    matched to (none: itself).
    """

    objects: np.ndarray
    pixels: Pixels
    anchors: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.objects)


def judge(
    real: Sample,
    injected: Sample,
    bare: Sample,
    outer: Sample | None,
    changes: pd.DataFrame,
    settings: config.Realism,
    seed: int,
) -> tuple[list[Gate], dict[str, pd.DataFrame]]:
    """All comparisons and their verdicts.

    Parameters
    ----------
    real, injected : Sample
        Real lenses; injections matched to them (`anchors`), each in a host of its own.
    bare : Sample
        The hosts of `injected`, row by row, without injection.
    outer : Sample or None
        The injections again without inner images, when they have them.
    changes : DataFrame
        From `sensitivity.changes`.
    settings : config.Realism
    seed : int
        Of the run; splits and bootstraps are drawn from it.

    Returns
    -------
    list of Gate
        One for each criterion.
    dict of DataFrame
        criteria (the same as a table, with the verdict of all), quantiles, noise, noise_histogram, structure, probe.
    """
    few = too_few([(len(real), "anchors")], settings.anchors_min) or too_few(
        [(len(injected), "matched injections")], settings.anchors_min
    )
    quantiles, rows = _quantiles(real, injected, bare, settings, seed, few)
    noise, histogram, more = _noise(real, injected, settings, seed, few)
    structure, shape_rows = _structure(real, injected, outer, settings, seed, few)
    asked, probe_rows = _probe(real, injected, bare, settings, seed, few)
    rows += more + shape_rows + probe_rows + _sensitivity(changes, settings) + [_panel(settings)]
    return rows, {
        "criteria": criteria.table(rows),
        "quantiles": quantiles,
        "noise": noise,
        "noise_histogram": histogram,
        "structure": structure,
        "probe": asked,
    }


def _values(sample: Sample, name: str) -> np.ndarray:
    """Measured values; infinite colours stay, so that a median counts them."""
    values = sample.pixels.table[name].to_numpy(float)
    return values[~np.isnan(values)]


def _quantile(values: np.ndarray, percent: int) -> float:
    """The value at a rank, without interpolation, as infinities bear none."""
    return float(np.quantile(values, percent / 100, method="inverted_cdf")) if values.size else np.nan


def _clusters(sample: Sample, name: str) -> np.ndarray:
    """The real lens that each measured value belongs to: one with its matches is drawn, or not, as a whole."""
    own = sample.objects if sample.anchors is None else sample.anchors
    return own[~np.isnan(sample.pixels.table[name].to_numpy(float))]


def _compared(
    real: Sample, injected: Sample, name: str, percent: int, compare: Callable, rng: np.random.Generator
) -> tuple[float, float, float]:
    """A comparison of two quantiles and its 95 % bootstrap interval."""
    samples = (_values(real, name), _values(injected, name), _clusters(real, name), _clusters(injected, name))
    return quantiles.compared(*samples, percent / 100, compare, LEVEL, rng, BOOTSTRAPS)


def _quantiles(
    real: Sample, injected: Sample, bare: Sample, settings: config.Realism, seed: int, few: str
) -> tuple[pd.DataFrame, list[Gate]]:
    """Signal-to-noise ratios and colours: quantiles of each sample, their ratio or difference, the criteria."""
    rows, out = [], []
    low, high = settings.snr_ratio
    for band in schema.BANDS:
        name = f"snr_{band}"
        one, two, none = _values(real, name), _values(injected, name), _values(bare, name)
        for percent in PERCENT:
            rng = draws.generator(seed, f"realism bootstrap {name}", percent)
            ratio = _compared(real, injected, name, percent, lambda a, b: np.where(a > 0, b / a, np.nan), rng)
            rows.append(_row(name, percent, one, two, none, "ratio", ratio))
            if band == "r":
                why = (
                    f"{_quantile(one, percent):.2f} of {one.size} anchors, {_quantile(two, percent):.2f} of "
                    f"{two.size} injections; the same hosts without arcs {_quantile(none, percent):.2f}"
                )
                floor = _compared(real, real, name, percent, lambda a, b: a, rng)[1]
                dim = (
                    ""
                    if few or floor > 0
                    else (
                        f"real arcs at {percent} % have an SNR of {_quantile(one, percent):.2f} that may be none (95 "
                        f"% from {floor:.2f}), which bears no ratio"
                    )
                )
                out.append(
                    criterion(
                        f"snr_{percent}",
                        "3A.5",
                        f"arc SNR in r at {percent} % is that of real lenses within a factor of two",
                        f"ratio at {percent} %",
                        *ratio,
                        low,
                        high,
                        why,
                        few or dim,
                    )
                )
    for name, label in zip(COLOURS, ("g - r", "r - z")):
        one, two, none = _values(real, name), _values(injected, name), _values(bare, name)
        rng = draws.generator(seed, f"realism bootstrap {name}", 50)
        shift = _compared(
            real, injected, name, 50, lambda a, b: np.where(np.isinf(a) & np.isinf(b), np.nan, b - a), rng
        )
        rows.append(_row(name, 50, one, two, none, "difference", shift))
        cannot = few or too_few(
            [(one.size, "anchors with a visible arc"), (two.size, "injections with one")], settings.anchors_min
        )
        why = (
            f"{one.size} anchors and {two.size} injections with SNR "
            f"{settings.arc_snr_min:g} or more in g and r together"
        )
        limit = settings.colour_difference
        out.append(
            criterion(
                name,
                "3A.6",
                f"the median colour {label} of arcs is that of real ones",
                "difference of medians [mag]",
                *shift,
                -limit,
                limit,
                why,
                cannot,
            )
        )
    return pd.DataFrame(rows), out


def _row(
    name: str,
    percent: int,
    one: np.ndarray,
    two: np.ndarray,
    none: np.ndarray,
    what: str,
    found: tuple[float, float, float],
) -> dict:
    return {
        "quantity": name,
        "percent": percent,
        "real": _quantile(one, percent),
        "injected": _quantile(two, percent),
        "bare_hosts": _quantile(none, percent),
        "compared": what,
        "value": found[0],
        "from_95": found[1],
        "to_95": found[2],
        "n_real": one.size,
        "n_injected": two.size,
    }


def _noise(
    real: Sample, injected: Sample, settings: config.Realism, seed: int, few: str
) -> tuple[pd.DataFrame, pd.DataFrame, list[Gate]]:
    """Fine noise around the arcs, band by band."""
    from scipy.stats import kstwobign

    rows, out, histograms = [], [], []
    middle = 0.5 * (NOISE_EDGES[:-1] + NOISE_EDGES[1:])
    for b, band in enumerate(schema.BANDS):
        one, two = (sample.pixels.noise[:, b] for sample in (real, injected))
        one, two = one[one.sum(1) > 0], two[two.sum(1) > 0]
        cannot = few or too_few(
            [(len(one), "anchors with noise"), (len(two), "injections with noise")], max(settings.anchors_min, 4)
        )
        d = p = typical = raw = np.nan
        if len(one) >= 2 and len(two):
            d, p, shuffled = twosamples.stamp_permutation_p(
                one, two, draws.generator(seed, f"realism halves {band}", 0), settings.splits
            )
            typical = float(np.quantile(shuffled, 1 - settings.p_min / len(schema.BANDS)))
            pixels = one.sum(), two.sum()
            raw = float(kstwobign.sf(d * np.sqrt(pixels[0] * pixels[1] / (pixels[0] + pixels[1]))))
        widths = [_width(counts.sum(0)) if len(counts) else np.nan for counts in (one, two)]
        rows.append(
            {
                "band": band,
                "stamps_real": len(one),
                "stamps_injected": len(two),
                "pixels_real": int(one.sum()),
                "pixels_injected": int(two.sum()),
                "D": d,
                "p_halves": p,
                "D_halves_95": typical,
                "p_pixels": raw,
                "width_real": widths[0],
                "width_injected": widths[1],
            }
        )
        # Three bands are asked: each at a third of the level.
        adjusted = min(1.0, len(schema.BANDS) * p)
        why = (
            f"{len(one)} and {len(two)} stamps; shuffled, they reach D {typical:.3f} in one of "
            f"{len(schema.BANDS) / settings.p_min:.0f}; p of single pixels {raw:.2g}, not used"
        )
        name = f"{band}: noise around the arc is that around real arcs"
        out.append(
            criterion(
                f"noise_p_{band}",
                "3B.3",
                name,
                f"p of D by permutation of stamps, times {len(schema.BANDS)}",
                adjusted,
                minimum=settings.p_min,
                why=why,
                cannot=cannot,
            )
        )
        limit = settings.noise_distance_max
        blunt = (
            ""
            if cannot or not (limit < d and adjusted > settings.p_min and typical > limit)
            else (
                f"D is {d:.3f}, but stamps shuffled between both differ by up to {typical:.3f}: too few "
                f"stamps for a limit of {limit:g}"
            )
        )
        out.append(
            criterion(
                f"noise_d_{band}", "3D.6", name, "KS distance D", d, maximum=limit, why=why, cannot=cannot or blunt
            )
        )
        for counts, kind in ((one, "real"), (two, "injected")):
            total = counts.sum(0)
            density = total / max(total.sum(), 1) / 0.05
            histograms.append(pd.DataFrame({"band": band, "sample": kind, "fine_noise": middle, "density": density}))
    return pd.DataFrame(rows), pd.concat(histograms, ignore_index=True), out


def _width(counts: np.ndarray) -> float:
    """Half the range of the middle 68.27 % of binned pixels."""
    share = np.cumsum(counts) / max(counts.sum(), 1)
    low, high = np.interp([0.15865, 0.84135], share, NOISE_EDGES[1:])
    return float(0.5 * (high - low))


def _structure(
    real: Sample, injected: Sample, outer: Sample | None, settings: config.Realism, seed: int, few: str
) -> tuple[pd.DataFrame, list[Gate]]:
    """Radial and azimuthal structure of visible arcs, and the light across the centre with and without inner images."""
    rows, out = [], []
    for name in STRUCTURE:
        one, two = _values(real, name), _values(injected, name)
        cannot = few or too_few(
            [(one.size, "anchors with a visible arc"), (two.size, "injections with one")], settings.anchors_min
        )
        d = p = np.nan
        if one.size and two.size:
            d, p = twosamples.permutation_p(
                one, two, draws.generator(seed, f"realism permutations {name}", 0), settings.splits
            )
        rows.append(
            {
                "quantity": name,
                "sample": "injected",
                "n_real": one.size,
                "n": two.size,
                "middle_real": _quantile(one, 50),
                "middle": _quantile(two, 50),
                "D": d,
                "p": p,
            }
        )
        # Three measures are asked: each at a third of the level.
        adjusted = min(1.0, len(STRUCTURE) * p)
        requirement = "P0.4" if name == "opposite" else "3D"
        why = (
            f"medians {_quantile(one, 50):.3f} real, {_quantile(two, 50):.3f} injected; D {d:.3f}; {one.size} "
            f"and {two.size} visible arcs"
        )
        claim = f"{_NAMES[name]} of arcs is that of real ones"
        out.append(
            criterion(
                name,
                requirement,
                claim,
                f"p of D by permutation, times {len(STRUCTURE)}",
                adjusted,
                minimum=settings.p_min,
                why=why,
                cannot=cannot,
            )
        )
    if outer is not None:
        one, two = _values(real, "opposite"), _values(outer, "opposite")
        d = p = np.nan
        if one.size and two.size:
            d, p = twosamples.permutation_p(
                one, two, draws.generator(seed, "realism permutations outer", 0), settings.splits
            )
        rows.append(
            {
                "quantity": "opposite",
                "sample": "without inner images",
                "n_real": one.size,
                "n": two.size,
                "middle_real": _quantile(one, 50),
                "middle": _quantile(two, 50),
                "D": d,
                "p": p,
            }
        )
    return pd.DataFrame(rows), out


def _probe(
    real: Sample, injected: Sample, bare: Sample, settings: config.Realism, seed: int, few: str
) -> tuple[pd.DataFrame, list[Gate]]:
    """The probe's question, and three that say what its answer is worth."""
    order = (
        np.argsort(draws.hashes(seed, "realism null", bare.objects), kind="stable") if len(bare) else np.empty(0, int)
    )
    half, rest = np.sort(order[: len(bare) // 2]), np.sort(order[len(bare) // 2 :])
    texture, hosts = (lambda s, rows=slice(None): s.pixels.texture[rows]), (lambda s: s.pixels.host_texture)
    questions = {
        "real lenses v injections": (texture(real), texture(injected), real.objects, injected.objects),
        "control: their galaxies' smooth models": (hosts(real), hosts(injected), real.objects, injected.objects),
        "control: hosts with v without arcs": (texture(injected), texture(bare), injected.objects, bare.objects),
        "null: two halves of the bare hosts": (
            texture(bare, half),
            texture(bare, rest),
            bare.objects[half],
            bare.objects[rest],
        ),
    }
    found = {name: probe.ask(*given, seed) for name, given in questions.items()}
    rows = [
        {
            "question": n,
            "auc": r.area,
            "from_95": r.lower,
            "to_95": r.upper,
            "n_first": r.n_first,
            "n_second": r.n_second,
            "objects": r.groups,
        }
        for n, r in found.items()
    ]
    asked, models, sees, null = found.values()
    limit = settings.probe_auc_max
    cannot = few
    if not cannot and not sees.lower > 0.5:
        cannot = (
            f"the probe is blind: it does not tell hosts with from hosts without an injection (AUC {sees.area:.2f}, "
            f"{sees.lower:.2f} to {sees.upper:.2f})"
        )
    if not cannot and null.lower > 0.5:
        cannot = (
            f"the probe tells two halves of the same hosts apart (AUC {null.area:.2f}, "
            f"{null.lower:.2f} to {null.upper:.2f})"
        )
    if not cannot and asked.area <= limit < asked.upper:
        cannot = (
            f"too few anchors: AUC {asked.area:.2f} ({asked.lower:.2f} to {asked.upper:.2f}) with {asked.n_first} "
            f"anchors leaves {limit:g} inside"
        )
    if not cannot and asked.lower <= limit < asked.area:
        cannot = (
            f"too few anchors: AUC {asked.area:.2f} ({asked.lower:.2f} to {asked.upper:.2f}) is "
            f"above {limit:g}, but not surely"
        )
    why = (
        f"{asked.n_first} anchors, {asked.n_second} injections; smooth models of their galaxies alone "
        f"{models.area:.2f} ({models.lower:.2f} to {models.upper:.2f}); hosts with v without injection "
        f"{sees.area:.2f}; null {null.area:.2f}"
    )
    row = criterion(
        "probe",
        "3D",
        "a probe without detector cannot tell injections from real lenses",
        "AUC, pooled out of fold",
        asked.area,
        asked.lower,
        asked.upper,
        maximum=limit,
        why=why,
        cannot=cannot,
    )
    return pd.DataFrame(rows), [row]


def _sensitivity(changes: pd.DataFrame, settings: config.Realism) -> list[Gate]:
    """The largest change of completeness by another source, another prior and another profile of the PSF."""
    out = []
    deaf = ""
    for row in changes[(changes["kind"] == "control") & (changes["why_not"] == "")].to_dict("records"):
        if not row["to_95"] < 0:
            deaf = (
                f"the detector hardly hears the injections: it finds {row['base']:.3f} of them, and "
                f"calls {row['changed']:.3f} of the same hosts lenses without one (change "
                f"{row['from_95']:+.3f} to {row['to_95']:+.3f})"
            )
    for kind, requirement, limit, what in (
        ("morphology", "3C.2", settings.morphology_change_max, "the source morphology"),
        ("prior", "3D.9", settings.prior_change_max, "the prior"),
        ("moffat", "3B.4", settings.moffat_change_max, "the profile that stands for a PSF without an image"),
    ):
        table = changes[changes["kind"] == kind]
        missing = [f"{row['name']}: {row['why_not']}" for row in table.to_dict("records") if row["why_not"]]
        done = table[table["why_not"] == ""]
        claim = f"completeness hangs little on {what}"
        if done.empty:
            cannot = "; ".join(missing) or "the run file names no alternative"
            out.append(criterion(kind, requirement, claim, "largest change", maximum=limit, cannot=cannot))
            continue
        worst = done.loc[done["change"].abs().idxmax()]
        low, high = sorted((abs(worst["from_95"]), abs(worst["to_95"])))
        low = 0.0 if worst["from_95"] <= 0 <= worst["to_95"] else low
        why = "; ".join(
            f"{r['name']} {r['change']:+.3f} ({r['from_95']:+.3f} to {r['to_95']:+.3f}) of {r['pairs']} pairs"
            for r in done.to_dict("records")
        )
        cannot = too_few([(int(done["pairs"].min()), "pairs")], settings.anchors_min) or deaf
        if missing and abs(worst["change"]) <= limit:
            cannot = cannot or "the bracket is not whole; " + "; ".join(missing) + f". Else: {why}"
        out.append(
            criterion(
                kind,
                requirement,
                claim,
                "largest change",
                float(abs(worst["change"])),
                float(low),
                float(high),
                maximum=limit,
                why=why,
                cannot=cannot,
            )
        )
    return out


def _panel(settings: config.Realism) -> Gate:
    """What a reader of the blind panel found, from the run file."""
    from scipy.stats import binomtest

    claim, measure = "a reader of the blind panel does no better than chance", "p of the reader's hits"
    if settings.panel_judged is None:
        return criterion(
            "panel",
            "3D.8",
            claim,
            measure,
            minimum=settings.p_min,
            cannot="nobody has entered realism.panel_judged and realism.panel_correct yet",
        )
    n, k = settings.panel_judged, settings.panel_correct
    p = float(binomtest(k, n, 0.5, alternative="greater").pvalue)
    return criterion(
        "panel",
        "3D.8",
        claim,
        measure,
        p,
        minimum=settings.p_min,
        why=f"{k} of {n} told right",
        cannot=too_few([(n, "images judged")], settings.anchors_min),
    )
