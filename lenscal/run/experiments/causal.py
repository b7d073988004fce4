"""What the detector looks at: trials of the run with one thing taken away, put elsewhere or changed, pair by pair."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import schema
from lenscal.errors import InputError
from lenscal.experiments import Paired, Variant, views
from lenscal.experiments.paired import COLUMNS
from lenscal.run.experiments.lenses import NOISE
from lenscal.run.experiments.pixels import bands_of, crops, scored
from lenscal.run.images import host_pixels
from lenscal.run.place import Place

from .questions import variants

Say = Callable[[str], None]
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
    hosts, known, bench = place.table("hosts.parquet"), _colours(place), _Bench(place, block)
    threshold = float(place.store("scores", "thresholds")["threshold"].values[0])
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
        "colours": {name: [float(v) for v in value] for name, value in known.items()},
        "called_lenses_without_arc": {
            f"{row['kind']}: {row['name']}": float(row["changed"]) for row in arcless.to_dict("records")
        },
    }, {"causal": table}


class _Bench:
    """Trials, rendered as often as asked."""

    def __init__(self, place: Place, block: xr.Dataset) -> None:
        self.place, self.block = place, block
        self.pixels = _host_pixels(place, block["galaxy_id"].values.ravel())
        row = pd.Index(self.pixels["galaxy_id"].values).get_indexer(block["galaxy_id"].values.ravel())
        self.image = self._images(place.settings.injections, self.pixels, block)
        host = crops(place, self.pixels)[row]
        smooth = (
            self._images(place.settings.injections.model_copy(update={"shot_noise": False}), self.pixels, block) - host
        )
        order = bands_of(self.pixels)
        values = {
            name: self.pixels[name].transpose("galaxy", "band", ...).values[:, order][row].astype(float)
            for name in (*NOISE, "psfsize")
        }
        colours = np.column_stack(
            [
                block[name].values.ravel().astype(float) if name in block else np.full(row.size, np.nan)
                for name in ("host_colour_gr", "host_colour_rz")
            ]
        )
        self.views = views.Views(
            self.image,
            host,
            smooth,
            values["sigma"],
            values["noise_lags"],
            values["psfsize"],
            colours,
            block["injection_id"].values.ravel(),
            schema.PIXEL_SCALE,
            (self.pixels.sizes["x"] - host.shape[-1]) % 2,
        )

    def _images(self, settings: object, pixels: xr.Dataset, block: xr.Dataset) -> np.ndarray:
        from lenscal import injections

        return injections.images(block, pixels, settings, self.place.settings.seed, sources=self.place.sources)

    def score(self, variant: Variant | None) -> np.ndarray:
        """Scores of the trials as they are, or under a variant; NaN where it cannot be made."""
        if variant is None:
            return scored(self.place, self.image)
        detector = variant.detector
        if variant.transform is not None:
            return scored(self.place, variant.transform(self.views), detector)
        settings = variant.settings or self.place.settings.injections
        if variant.hosts is None:
            return scored(self.place, self._images(settings, self.pixels, self.block), detector)
        old = self.block["galaxy_id"].values
        new = np.array([variant.hosts.get(int(i), -1) for i in old.ravel()], np.int64).reshape(old.shape)
        return scored(
            self.place,
            self._images(
                settings, _host_pixels(self.place, new.ravel()), self.block.assign(galaxy_id=(schema.TRIAL, new))
            ),
            detector,
        )


def _host_pixels(place: Place, ids: np.ndarray) -> xr.Dataset:
    return host_pixels(place, np.flatnonzero(np.isin(place.store("cutouts")["galaxy_id"].values, ids[ids >= 0])))


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
