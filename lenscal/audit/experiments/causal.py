"""What the detector looks at: trials of the run with one thing taken away, put elsewhere or changed, pair by pair."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from lenscal.audit.experiments.bench import Bench
from lenscal.audit.products import Run
from lenscal.errors import InputError
from lenscal.experiments import Paired
from lenscal.experiments.paired import COLUMNS

from .questions import variants

Say = Callable[[str], None]
LIKE = {"all": None, "lens-like": True, "ordinary": False}
"""Hosts: all, those that known lenses have oftener than the survey (density ratio of 1 or more), the others."""


def causal(run: Run, count: int, say: Say) -> tuple[dict, dict[str, pd.DataFrame]]:
    """Change of the share found by each variant, on at most `count` trials of different hosts.

    Returns
    -------
    dict
        trials, threshold, colours (of lenses and of the survey), and for each image without an arc the share called a
        lens.
    dict of DataFrame
        causal: one row for each variant and kind of host: hosts, kind, name, about, arc, and `paired.COLUMNS`.
    """
    from lenscal import realism

    settings, seed = run.settings, run.settings.seed
    chosen = realism.one_per_host(realism.trials(run.store("injections")), count, seed)
    if chosen.empty:
        raise InputError("experiments: no trial of this run has an image; see `failure` of injections.zarr")
    block = realism.selected(run.store("injections").drop_vars("image", errors="ignore"), chosen).load()
    hosts, known, bench = run.table("hosts.parquet"), _colours(run), Bench(run, block)
    cuts = run.store("thresholds")
    threshold = float(cuts["threshold"].values[0])
    base = bench.score(None)
    like = _lens_like(hosts, chosen["galaxy_id"].to_numpy())
    rows = []
    for variant in variants(settings, hosts, chosen["galaxy_id"].to_numpy(), known, seed):
        say(f"{variant.kind}: {variant.name}")
        changed = np.full(len(base), np.nan) if variant.why_not else bench.score(variant)
        for name, wanted in LIKE.items():
            some = np.ones(len(base), bool) if wanted is None else like == wanted
            row = Paired.of_scores(base[some], changed[some], threshold).row()
            rows.append(
                {
                    "hosts": name,
                    "kind": variant.kind,
                    "name": variant.name,
                    "about": variant.about,
                    "arc": variant.arc,
                    **row,
                    "why_not": variant.why_not,
                }
            )
    table = pd.DataFrame(rows, columns=["hosts", "kind", "name", "about", "arc", *COLUMNS, "why_not"])
    arcless = table[~table["arc"] & (table["hosts"] == "all") & (table["why_not"] == "")]
    return {
        "trials": len(chosen),
        "lens_like": int((like == 1).sum()),
        "threshold": threshold,
        "few_events": str(cuts.attrs.get("few_events", "")),
        "colours": {name: [float(v) for v in value] for name, value in known.items()},
        "called_lenses_without_arc": {
            f"{row['kind']}: {row['name']}": float(row["changed"]) for row in arcless.to_dict("records")
        },
    }, {"causal": table}


def _colours(run: Run) -> dict[str, np.ndarray]:
    """Median dereddened g - r and r - z of the known lenses' galaxies, their arcs' light taken off,
    and of ordinary galaxies.
    """
    from lenscal.audit.stages.injections import arc_light
    from lenscal.injections import populations

    rows = run.manifest.set_index("galaxy_id", drop=False)
    lenses, pool = rows[rows["pool"].eq("positive").to_numpy(bool)], rows[rows["pool"].eq("N1").to_numpy(bool)]
    light = run.settings.injections.arc_flux_share * arc_light(run).reindex(lenses.index)[
        ["arc_g", "arc_r", "arc_z"]
    ].to_numpy(float)
    names = ["host_colour_gr", "host_colour_rz"]
    of = {"lenses": populations.features(lenses, light), "survey": populations.features(pool)}
    return {name: table[names].median().to_numpy(float) for name, table in of.items()}


def _lens_like(hosts: pd.DataFrame, ids: np.ndarray) -> np.ndarray:
    """1 for hosts that are oftener among known lenses than in the survey, 0 for others; -1 where nobody knows."""
    from lenscal.injections.populations import COLUMN, LENS_LIKE, SURVEY

    if COLUMN[LENS_LIKE] not in hosts:
        return np.full(ids.size, -1)
    of = hosts.drop_duplicates("galaxy_id").set_index("galaxy_id").reindex(ids)
    return (of[COLUMN[LENS_LIKE]] >= of[COLUMN[SURVEY]]).to_numpy(int)
