"""Trials of the run, rendered as often as asked, and the host that each could have had instead."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import schema
from lenscal.audit.experiments.pixels import NOISE, bands_of, crops, scored
from lenscal.audit.images import host_pixels
from lenscal.audit.products import Run
from lenscal.experiments import Variant, views
from lenscal.kernels import draws


class Bench:
    """Trials, rendered as often as asked."""

    def __init__(self, run: Run, block: xr.Dataset) -> None:
        self.run, self.block = run, block
        self.pixels = pixels_of(run, block["galaxy_id"].values.ravel())
        row = pd.Index(self.pixels["galaxy_id"].values).get_indexer(block["galaxy_id"].values.ravel())
        self.image = self._images(run.settings.injections, self.pixels, block)
        host = crops(run, self.pixels)[row]
        smooth = (
            self._images(run.settings.injections.model_copy(update={"shot_noise": False}), self.pixels, block) - host
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

        return injections.images(block, pixels, settings, self.run.settings.seed, sources=self.run.sources)

    def score(self, variant: Variant | None) -> np.ndarray:
        """Scores of the trials as they are, or under a variant; NaN where it cannot be made."""
        if variant is None:
            return scored(self.run, self.image)
        detector = variant.detector
        if variant.transform is not None:
            return scored(self.run, variant.transform(self.views), detector)
        settings = variant.settings or self.run.settings.injections
        if variant.hosts is None:
            return scored(self.run, self._images(settings, self.pixels, self.block), detector)
        old = self.block["galaxy_id"].values
        new = np.array([variant.hosts.get(int(i), -1) for i in old.ravel()], np.int64).reshape(old.shape)
        return scored(
            self.run,
            self._images(settings, pixels_of(self.run, new.ravel()), self.block.assign(galaxy_id=(schema.TRIAL, new))),
            detector,
        )


def pixels_of(run: Run, ids: np.ndarray) -> xr.Dataset:
    """Cutouts and noise of these hosts, in memory."""
    return host_pixels(run, np.flatnonzero(np.isin(run.store("cutouts")["galaxy_id"].values, ids[ids >= 0])))


def swapped(hosts: pd.DataFrame, ids: np.ndarray, density: str | None, seed: int) -> dict[int, int]:
    """Another host of the cell for each, drawn evenly or by a density; none where it is alone."""
    cells = hosts.groupby(["psf_fwhm", "depth"]).indices
    share = dict(zip(ids, draws.uniform(seed, f"experiment swap {density or ''}", np.asarray(ids, np.int64))))
    names, out = hosts["galaxy_id"].to_numpy(np.int64), {}
    for rows in cells.values():
        for own in rows[np.isin(names[rows], ids)]:
            others = rows[rows != own]
            weight = np.ones(others.size) if density is None else hosts[density].fillna(0).to_numpy(float)[others]
            if weight.sum() > 0:
                edges = np.cumsum(weight) / weight.sum()
                out[int(names[own])] = int(
                    names[others[min(np.searchsorted(edges, share[names[own]], "right"), others.size - 1)]]
                )
    return out
