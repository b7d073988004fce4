"""What the judgement of scores needs of a run beyond the scores: facts about galaxies, pixels of cores and annuli,
injections rendered again.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import schema
from lenscal.audit.products import Run
from lenscal.errors import InputError
from lenscal.gates import Gate

if TYPE_CHECKING:
    from lenscal.scores.counterfactuals import Counterfactual

READ_AT_ONCE = 128  # cutouts


def facts(run: Run) -> pd.DataFrame:
    """By galaxy_id: channel, ebv, colour_gr, colour_rz, brick_edge [arcsec], missing_pixels, missing_bands; NaN where
    not known.
    """
    manifest = run.manifest.set_index("galaxy_id")
    names = ["channel", "ebv", "colour_gr", "colour_rz"]
    found = manifest[[name for name in names if name in manifest]].copy()
    found["brick_edge"] = _brick_edge(run, manifest)
    quality, cutouts = run.store("quality"), run.store("cutouts")
    ids = quality["galaxy_id"].values
    found["missing_pixels"] = pd.Series(quality["nan_pixel_count"].values.astype(float), index=ids)
    bands = pd.Series(cutouts["bandset"].values.astype(object), index=cutouts["galaxy_id"].values)
    found["missing_bands"] = (cutouts.sizes["band"] - bands.str.len()).astype(float)
    return found


def _brick_edge(run: Run, manifest: pd.DataFrame) -> np.ndarray:
    """Distance of each galaxy to the nearest edge of its brick, arcsec; NaN without a table of bricks."""
    nowhere = np.full(len(manifest), np.nan)
    if not run.survey.has_catalogue:
        return nowhere
    bricks = run.survey.bricks().set_index("brickname")
    if not {"ra1", "ra2", "dec1", "dec2"} <= set(bricks):
        return nowhere
    own = bricks.reindex(manifest["brickname"].astype(str))
    ra, dec = (manifest[name].to_numpy(float) for name in ("ra", "dec"))
    west, east, low, high = (own[name].to_numpy(float) for name in ("ra1", "ra2", "dec1", "dec2"))
    wide = np.cos(np.radians(dec))
    return 3600 * np.min([(ra - west) * wide, (east - ra) * wide, dec - low, high - dec], axis=0)


def parts(run: Run, scored: object) -> tuple[pd.DataFrame, list[Gate]]:
    """The core-only and the annulus-only classifier: their table and gates."""
    from lenscal.scores import rows, shortcuts

    settings, seed = run.settings.scores, run.settings.seed
    chosen = shortcuts.matched(rows.table(scored), settings, seed)
    store, quality = run.store("cutouts"), run.store("quality")
    order = [[str(band) for band in store["band"].values].index(band) for band in run.settings.survey.bands]
    found: dict[str, list[np.ndarray]] = {part: [] for part in shortcuts.PARTS}
    good = []
    for start in range(0, len(chosen), READ_AT_ONCE):
        places = chosen.index.to_numpy()[start : start + READ_AT_ONCE]
        image = store["image"].isel(galaxy=places, band=order).transpose("galaxy", "band", "y", "x").values
        sigma = quality["sigma"].isel(galaxy=places).transpose("galaxy", "band").values[:, order].astype(float)
        measured = (np.isfinite(sigma) & (sigma > 0)).all(1)
        made = shortcuts.part_features(image[measured], sigma[measured], settings, schema.PIXEL_SCALE)
        good.append(measured)
        for part in found:
            found[part].append(made[part])
    kept = chosen[np.concatenate([*good, np.empty(0, bool)])]
    features = {part: np.concatenate(values) if values else np.empty((0, 1)) for part, values in found.items()}
    table = shortcuts.parts(features, (kept["label"] == 1).to_numpy(), kept["galaxy_id"].to_numpy(np.int64), seed)
    return table, shortcuts.part_gates(table, settings)


def counterfactuals(run: Run, threshold: float, few_events: str) -> tuple[pd.DataFrame, list[Gate]]:
    """Injections scored again without their arc, in another host, and on blank sky: their table and gates."""
    from lenscal.scores import counterfactuals as science

    table = science.changes(pairs(run), threshold)
    return table, science.gates(table, run.settings.scores, few_events)


def pairs(run: Run) -> list[Counterfactual]:
    """Scores of the same injections before and after each change; nothing where the run file leaves this out."""
    from lenscal import realism
    from lenscal.scores import counterfactuals as science

    settings, seed = run.settings.scores, run.settings.seed
    if not settings.counterfactuals:
        return []
    chosen = realism.one_per_host(realism.trials(run.store("injections")), settings.counterfactuals, seed)
    why = ""
    found: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    if chosen.empty:
        why = "no injection has an image"
    elif not getattr(run.detector, "asked", True):
        why = "the detector is known by its scores alone and cannot be asked about other images"
    else:
        try:
            found = _asked(run, chosen)
        except InputError as error:
            why = f"the detector cannot be asked about other images: {error}"
    nothing = np.empty(0), np.empty(0)
    return [
        science.Counterfactual(name, about, *(np.asarray(end, float) for end in found.get(name, nothing)), why)
        for name, about in science.ABOUT.items()
    ]


def _asked(run: Run, chosen: pd.DataFrame) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Scores before and after, by the name of the change."""
    from lenscal import realism
    from lenscal.audit.experiments.bench import Bench, swapped
    from lenscal.experiments import Variant, views
    from lenscal.scores import counterfactuals as science

    seed = run.settings.seed
    block = realism.selected(run.store("injections").drop_vars("image", errors="ignore"), chosen).load()
    bench = Bench(run, block)
    ids = chosen["galaxy_id"].to_numpy(np.int64)
    ask = lambda name, **change: bench.score(Variant("judgement", name, **change))  # noqa: E731
    trials = run.store("scores", "injections")["score"]  # by the same detector, of the same pixels
    base = trials.isel(
        {dim: xr.DataArray(chosen[f"i_{dim}"].to_numpy(), dims="one") for dim in schema.TRIAL}
    ).values.astype(float)
    blank = ask("blank sky", transform=partial(views.blank_sky, seed=seed), arc=False)
    return {
        science.ARC: (base, ask("arc removed", transform=views.host_alone, arc=False)),
        science.HOST: (base, ask("host swapped", hosts=swapped(run.table("hosts.parquet"), ids, None, seed))),
        science.BLANK: (blank, ask("arc on blank sky", transform=partial(views.arc_on_blank_sky, seed=seed))),
    }
