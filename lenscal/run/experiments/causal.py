"""What the detector looks at: trials of the run with one thing taken away, put elsewhere or changed, pair by pair."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

from lenscal.errors import InputError
from lenscal.experiments import Paired, Variant, views
from lenscal.experiments.paired import COLUMNS
from lenscal.run.experiments.bench import Bench, swapped
from lenscal.run.place import Place

Say = Callable[[str], None]
WORSE = 0.2  # arcsec: how much larger the FWHM is made
PERCENTS = (99.5, 98.0)
LIKE = {"all": None, "lens-like": True, "ordinary": False}
"""Hosts: all, those that known lenses have oftener than the survey (density ratio of 1 or more), the others."""


def causal(place: Place, count: int, say: Say) -> tuple[dict, dict[str, pd.DataFrame]]:
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

    settings, seed = place.settings, place.settings.seed
    chosen = realism.one_per_host(realism.trials(place.store("injections")), count, seed)
    if chosen.empty:
        raise InputError("experiments: no trial of this run has an image; see `failure` of injections.zarr")
    block = realism.selected(place.store("injections").drop_vars("image", errors="ignore"), chosen).load()
    hosts, known, bench = place.table("hosts.parquet"), _colours(place), Bench(place, block)
    cuts = place.store("scores", "thresholds")
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


def variants(
    settings: object, hosts: pd.DataFrame, ids: np.ndarray, colours: dict[str, np.ndarray], seed: int
) -> list[Variant]:
    """What is asked of the detector.

    Parameters
    ----------
    settings : Settings
        Of the run.
    hosts : DataFrame
        As hosts.parquet.
    ids : (n,) int array
        The hosts of the trials.
    colours : mapping
        `lenses` and `survey`: median g - r and r - z.
    seed : int
    """
    from lenscal.injections.populations import COLUMN, LENS_LIKE

    injections = settings.injections
    blank, on_blank = partial(views.blank_sky, seed=seed), partial(views.arc_on_blank_sky, seed=seed)
    red, ordinary = (colours[name] for name in ("lenses", "survey"))
    recolour = lambda what, wanted: lambda v: views.recoloured(v, getattr(v, what), wanted)  # noqa: E731
    out = [
        Variant(
            "host",
            "alone, arc removed",
            transform=views.host_alone,
            arc=False,
            about="does a galaxy without an arc pass for a lens?",
        ),
        Variant("host", "blank sky alone", transform=blank, arc=False, about="the control: noise and nothing else"),
        Variant("host", "arc on blank sky", transform=on_blank, about="is the arc enough, without a galaxy?"),
        Variant(
            "host",
            "swapped in its cell",
            hosts=swapped(hosts, ids, None, seed),
            about="how much is due to which galaxy the arc is in?",
        ),
        Variant(
            "host",
            "subtracted, model with the arc",
            transform=partial(views.host_subtracted, with_arc=True),
            about="what a pipeline could do: smooth model of the image",
        ),
        Variant(
            "host",
            "subtracted, model without the arc",
            transform=partial(views.host_subtracted, with_arc=False),
            about="the galaxy's smooth light gone, arc untouched",
        ),
        Variant(
            "host colour",
            "that of known lenses",
            transform=recolour("image", red),
            about="the galaxy's colour alone; arc, brightness and noise stay",
        ),
        Variant(
            "host colour", "that of the survey", transform=recolour("image", ordinary), about="the same the other way"
        ),
        Variant(
            "host colour",
            "that of known lenses, arc removed",
            transform=recolour("host", red),
            arc=False,
            about="does a red galaxy pass for a lens?",
        ),
    ]
    if COLUMN[LENS_LIKE] in hosts:
        mapping = swapped(hosts, ids, COLUMN[LENS_LIKE], seed)
        out.append(
            Variant(
                "host",
                "swapped for a lens-like one",
                hosts=mapping,
                about="the same arc in a galaxy as known lenses have",
            )
        )
    else:
        out.append(
            Variant(
                "host",
                "swapped for a lens-like one",
                why_not="known lenses are too few to tell lens-like hosts",
                about="the same arc in a galaxy as known lenses have",
            )
        )
    out += [
        Variant(
            "clip range",
            f"cut at percentile {p:g}",
            transform=partial(views.clipped, percent=p),
            about="the brightest pixels, the galaxy's middle, cut off",
        )
        for p in PERCENTS
    ]
    for what, about in (
        ("both", "arc and galaxy blend; noise kept"),
        ("arc", "the arc alone is smeared"),
        ("host", "the galaxy alone is smeared"),
    ):
        out.append(
            Variant(
                "PSF",
                f"{WORSE:g} arcsec worse, {what}",
                transform=partial(views.blurred, worse=WORSE, what=what),
                about=about,
            )
        )
    out.append(
        Variant(
            "noise",
            "no shot noise of the arc",
            injections.model_copy(update={"shot_noise": False}),
            redraw=False,
            about="the arc's own Poisson noise left out",
        )
    )
    return out


def _colours(place: Place) -> dict[str, np.ndarray]:
    """Median dereddened g - r and r - z of the known lenses' galaxies, their arcs' light taken off,
    and of ordinary galaxies.
    """
    from lenscal.injections import populations
    from lenscal.run.stages.injections import arc_light

    rows = place.manifest.set_index("galaxy_id", drop=False)
    lenses, pool = rows[rows["pool"].eq("positive").to_numpy(bool)], rows[rows["pool"].eq("N1").to_numpy(bool)]
    light = place.settings.injections.arc_flux_share * arc_light(place).reindex(lenses.index)[
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
