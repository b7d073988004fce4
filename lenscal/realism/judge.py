"""The comparison: real lenses beside injections, criterion by criterion, and what changes of the injections move."""

from __future__ import annotations

import pandas as pd

from lenscal import config
from lenscal.gates import Gate
from lenscal.realism import criteria
from lenscal.realism.criteria import criterion, too_few

from .light import _quantiles
from .noise import _noise
from .samples import Sample
from .structure import _probe, _structure


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
    rows += more + shape_rows + probe_rows + sensitive(changes, settings) + [_panel(settings)]
    return rows, {
        "criteria": criteria.table(rows),
        "quantiles": quantiles,
        "noise": noise,
        "noise_histogram": histogram,
        "structure": structure,
        "probe": asked,
    }


def sensitive(changes: pd.DataFrame, settings: config.Realism) -> list[Gate]:
    """The largest change of completeness by another source, another prior and another profile of the PSF: the criteria
    of `judge` that depend on the threshold.
    """
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
                (float(low), float(high)),
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
