"""Structure of arcs, real and injected, and whether a probe tells them apart."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lenscal import config
from lenscal.gates import Gate
from lenscal.kernels import draws, twosamples
from lenscal.realism import probe
from lenscal.realism.criteria import criterion, too_few
from lenscal.realism.measures import STRUCTURE

from .samples import Sample, _values, quantile

_NAMES = {"concentration": "radial concentration", "extent": "azimuthal extent", "opposite": "light across the centre"}


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
        row = _compared(one, two, name, "injected", name, settings, seed)
        rows.append(row)
        d, p = row["D"], row["p"]
        # Three measures are asked: each at a third of the level.
        adjusted = min(1.0, len(STRUCTURE) * p)
        requirement = "P0.4" if name == "opposite" else "3D"
        why = (
            f"medians {quantile(one, 50):.3f} real, {quantile(two, 50):.3f} injected; D {d:.3f}; {one.size} "
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
        rows.append(_compared(one, two, "opposite", "without inner images", "outer", settings, seed))
    return pd.DataFrame(rows), out


def _compared(
    one: np.ndarray, two: np.ndarray, quantity: str, sample: str, purpose: str, settings: config.Realism, seed: int
) -> dict:
    """One row: a quantity of real arcs beside that of a sample, D and its p by permutation (NaN without either)."""
    d = p = np.nan
    if one.size and two.size:
        rng = draws.generator(seed, f"realism permutations {purpose}", 0)
        d, p = twosamples.permutation_p(one, two, rng, settings.splits)
    return {
        "quantity": quantity,
        "sample": sample,
        "n_real": one.size,
        "n": two.size,
        "middle_real": quantile(one, 50),
        "middle": quantile(two, 50),
        "D": d,
        "p": p,
    }


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
    cannot = few or _worthless(asked, sees, null, limit)
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
        (asked.lower, asked.upper),
        maximum=limit,
        why=why,
        cannot=cannot,
    )
    return pd.DataFrame(rows), [row]


def _worthless(asked: probe.Probe, sees: probe.Probe, null: probe.Probe, limit: float) -> str:
    """Why the probe's answer settles nothing; empty when it does."""
    if not sees.lower > 0.5:
        return (
            f"the probe is blind: it does not tell hosts with from hosts without an injection (AUC {sees.area:.2f}, "
            f"{sees.lower:.2f} to {sees.upper:.2f})"
        )
    if null.lower > 0.5:
        return (
            f"the probe tells two halves of the same hosts apart (AUC {null.area:.2f}, "
            f"{null.lower:.2f} to {null.upper:.2f})"
        )
    if asked.area <= limit < asked.upper:
        return (
            f"too few anchors: AUC {asked.area:.2f} ({asked.lower:.2f} to {asked.upper:.2f}) with {asked.n_first} "
            f"anchors leaves {limit:g} inside"
        )
    if asked.lower <= limit < asked.area:
        return (
            f"too few anchors: AUC {asked.area:.2f} ({asked.lower:.2f} to {asked.upper:.2f}) is "
            f"above {limit:g}, but not surely"
        )
    return ""
