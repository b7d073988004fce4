"""Pixels for the stage `realism`: real lenses, injections rendered again, their hosts, and the same
injections under other settings.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import config, schema
from lenscal.audit.images import host_pixels
from lenscal.audit.products import Run


def galaxies(run: Run) -> xr.Dataset:
    """Coordinates of the cutouts with their noise, without pixels."""
    quality = run.store("quality").reset_coords()
    noise = {name: quality[name].load() for name in ("sigma", "noise_correlation")}
    usable = run.usable.reset_coords()
    rows = run.manifest.set_index("galaxy_id").loc[usable["galaxy_id"].values]
    colours = {
        f"host_{name}": ("galaxy", rows[name].to_numpy(float, na_value=np.nan)) for name in ("colour_gr", "colour_rz")
    }
    return usable.assign(noise).assign(colours)


def recovery(run: Run, table: pd.DataFrame, permutations: int) -> tuple[pd.DataFrame, tuple[float, float, int]]:
    """Recovery and scores of real lenses beside those of the injections matched to them.

    Parameters
    ----------
    run : Run
    table : DataFrame
        From `samples`.
    permutations : int

    Returns
    -------
    DataFrame, tuple
        From `realism.recovery.compared` and `realism.recovery.score_p`.
    """
    from lenscal import realism

    scored = run.store("scores", "cutouts")
    own = pd.Series(scored["score"].values.astype(float), index=scored["galaxy_id"].values)
    real = table.loc[table["sample"] == "real", ["galaxy_id"]].reset_index(drop=True)
    real["score"] = own.reindex(real["galaxy_id"]).to_numpy()
    matched = table[table["sample"] == "injected"].reset_index(drop=True)
    trials = run.store("scores", "injections")["score"]
    score = trials.isel(
        {dim: xr.DataArray(matched[f"i_{dim}"].to_numpy(np.int64), dims="one") for dim in schema.TRIAL}
    ).values
    injected = pd.DataFrame({"anchor_id": matched["anchor_id"].to_numpy(np.int64), "score": score.astype(float)})
    cuts = run.store("thresholds")
    thresholds = pd.DataFrame({name: cuts[name].values for name in ("threshold", "false_positive_rate")})
    return realism.recovery.compared(real, injected, thresholds), realism.recovery.score_p(
        real, injected, run.settings.seed, permutations
    )


def _hosts(run: Run, block: xr.Dataset) -> xr.Dataset:
    """Cutouts and noise of the hosts of a block, in memory."""

    ids = np.unique(block["galaxy_id"].values)
    return host_pixels(run, np.flatnonzero(np.isin(run.store("cutouts")["galaxy_id"].values, ids[ids >= 0])))


def _cropped(run: Run, pixels: xr.Dataset, centred: bool = True) -> np.ndarray:
    """Images (galaxy, band, y, x) of the size of injections; `centred` puts the galaxy in the middle."""
    from lenscal import cutouts, realism

    size = run.settings.injections.size
    image = cutouts.crop(pixels["image"].transpose("galaxy", "band", "y", "x"), size)
    bands = _places(run, pixels)
    return realism.centred(image.values[:, bands], pixels.sizes["x"]) if centred else image.values[:, bands]


def _places(run: Run, pixels: xr.Dataset) -> list[int]:
    """Of the bands of the run among those of pixels."""
    return [[str(b) for b in pixels["band"].values].index(band) for band in run.settings.survey.bands]


def _noise(run: Run, pixels: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    bands = _places(run, pixels)
    return tuple(
        pixels[name].transpose("galaxy", "band").values[:, bands].astype(float)
        for name in ("sigma", "noise_correlation")
    )


def _rendered(
    run: Run, block: xr.Dataset, hosts: xr.Dataset, settings: config.Injections, sources: list[dict] | None
) -> np.ndarray:
    """Images of a block under these settings, as the detector sees them."""
    from lenscal import injections

    return injections.images(
        block, hosts, settings, run.settings.seed, sources=sources if settings.source == "stamps" else None
    )


def samples(run: Run, real: pd.DataFrame, trials: pd.DataFrame) -> tuple[pd.DataFrame, tuple]:
    """What was measured on real lenses and on the injections matched to them.

    Parameters
    ----------
    run : Run
    real, trials : DataFrame
        From `realism.anchors` and `realism.trials`.

    Returns
    -------
    DataFrame
        One row for each image: sample (real, injected, bare host, without inner images), galaxy_id, anchor_id,
        conditions, measures.
    tuple
        The samples as `realism.judge` takes them.
    """
    from lenscal import realism

    settings, seed = run.settings, run.settings.seed
    pixels = host_pixels(run, real["position"].to_numpy())
    images = _cropped(run, pixels)
    lenses = realism.pixels(images, *_noise(run, pixels), images, settings.realism, settings.survey.bands)
    real = pd.concat([real.reset_index(drop=True), lenses.table], axis=1)

    near = realism.candidates(real, trials, settings.realism, seed)
    distinct = near.drop_duplicates("injection_id").reset_index(drop=True)
    one = _Injected(run, distinct)
    measured = one.measure(settings.injections)
    row = pd.Index(distinct["injection_id"]).get_indexer(near["injection_id"])
    near = pd.concat([near, measured.rows(row).table], axis=1)
    kept = realism.with_radius(real, near, settings.realism, seed)
    row, near = row[kept], near.iloc[kept].reset_index(drop=True)
    injected = measured.rows(row)
    matched = _Injected(run, distinct.iloc[row].reset_index(drop=True))
    bare = matched.measure_hosts()
    outer = (
        matched.measure(settings.injections.model_copy(update={"inner_images": False}))
        if settings.injections.inner_images
        else None
    )

    hosts = near["galaxy_id"].to_numpy(np.int64)
    sample = realism.Sample
    matched_to = near["anchor_id"].to_numpy(np.int64)
    found = (
        sample(real["galaxy_id"].to_numpy(), lenses),
        sample(hosts, injected, matched_to),
        sample(hosts, bare),
        None if outer is None else sample(hosts, outer),
    )
    keys = near[
        [
            "galaxy_id",
            "anchor_id",
            "injection_id",
            *(f"i_{dim}" for dim in schema.TRIAL),
            "psfsize_r",
            "psfdepth_r",
            "mag_r",
        ]
    ]
    parts = [real.drop(columns="position").assign(sample="real", anchor_id=real["galaxy_id"])]
    for name, measures in (("injected", injected), ("bare host", bare), ("without inner images", outer)):
        if measures is not None:
            parts.append(pd.concat([keys.assign(sample=name), measures.table], axis=1))
    table = pd.concat(parts, ignore_index=True)
    for name in ("injection_id", *(f"i_{dim}" for dim in schema.TRIAL)):
        table[name] = table[name].fillna(-1).astype("int64") if name in table else -1
    for name in ("tier", "split"):
        table[name] = table[name].fillna("").astype(object)
    return table, found


class _Injected:
    """Some injections of the run, rendered as often as asked."""

    def __init__(self, run: Run, table: pd.DataFrame) -> None:
        from lenscal import realism

        self.run = run
        self.block = realism.selected(run.store("injections").drop_vars("image", errors="ignore"), table).load()
        self.hosts = _hosts(run, self.block)
        self.row = pd.Index(self.hosts["galaxy_id"].values).get_indexer(table["galaxy_id"])

    def images(self, settings: config.Injections) -> np.ndarray:
        from lenscal import realism

        if not self.row.size:
            return np.empty((0, len(self.run.settings.survey.bands), settings.size - 1, settings.size - 1), np.float32)
        return realism.centred(
            _rendered(self.run, self.block, self.hosts, settings, self.run.sources), self.hosts.sizes["x"]
        )

    def measure(self, settings: config.Injections) -> object:
        """Measures of the injections under these settings."""
        return self._measure(self.images(settings))

    def measure_hosts(self) -> object:
        """Measures of their hosts as observed, row by row."""
        return self._measure(None)

    def _measure(self, images: np.ndarray | None) -> object:
        from lenscal import realism

        before = _cropped(self.run, self.hosts)[self.row]
        sigma, correlation = (values[self.row] for values in _noise(self.run, self.hosts))
        images = before if images is None else images.reshape(before.shape)
        settings = self.run.settings
        return realism.pixels(images, sigma, correlation, before, settings.realism, settings.survey.bands)


def sensitivity(
    run: Run, trials: pd.DataFrame, say: Callable[[str], None]
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Change of completeness under other sources, priors, profiles and without inner images, the scores behind it, and
    how visible inner images are.
    """
    from lenscal import injections, realism

    settings, seed = run.settings, run.settings.seed
    chosen = realism.one_per_host(trials, settings.realism.sensitivity_injections, seed)
    block = realism.selected(run.store("injections").drop_vars("image", errors="ignore"), chosen).load()
    scores = run.store("scores", "injections")["score"]
    base = scores.isel({dim: xr.DataArray(chosen[f"i_{dim}"].to_numpy(), dims="one") for dim in schema.TRIAL}).values
    hosts = _hosts(run, block)
    row = pd.Index(hosts["galaxy_id"].values).get_indexer(chosen["galaxy_id"])
    unasked = "" if len(chosen) else "no injection has an image"
    if not getattr(run.detector, "asked", True):
        unasked = "the detector is known by its scores alone and cannot be asked about other images"
    bare = realism.bare(settings.injections)
    scored = {
        bare.name: (
            bare,
            unasked or _scored(run, _cropped(run, hosts, centred=False)[row]),
        )
    }
    moffat = _without_psf_image(hosts)[row]
    beta = settings.injections.moffat_beta or settings.cutouts.psf_beta
    for variant in realism.variants(settings.injections, settings.realism, beta):
        found: np.ndarray | str = variant.why_not or unasked
        if not found:
            say(f"{variant.kind}: {variant.name}")
            sources = _stamps(run, variant.settings) if variant.settings.source == "stamps" else None
            try:
                again = injections.redraw(block, variant.settings, seed, sources) if variant.redraw else block
                found = _scored(run, _rendered(run, again, hosts, variant.settings, sources))
                # Where some hosts have a PSF image and some a profile, the question is put to the latter; where all
                # have one, no pixel changes.
                if variant.moffat and moffat.any():
                    found = np.where(moffat, found, np.nan)
            except injections.PriorError as error:
                found = str(error)
        scored[f"{variant.kind} {variant.name}"] = (variant, found)
    scores_kept = realism.sensitivity.kept(base.astype(float), scored)
    return realism.changes(base, scored, first_threshold(run)), scores_kept, _inner(run, block, hosts)


def first_threshold(run: Run) -> float:
    """The threshold at which changes of completeness are told."""
    return float(run.store("thresholds")["threshold"].values[0])


def _without_psf_image(hosts: xr.Dataset) -> np.ndarray:
    """Hosts (galaxy,) of which some band has no PSF image, so that a Moffat profile stands for it."""
    if "psf" not in hosts:
        return np.ones(hosts.sizes["galaxy"], bool)
    return hosts["psf"].isnull().all(("psf_y", "psf_x")).any("band").values


def _stamps(run: Run, settings: config.Injections) -> list[dict]:
    """Galaxy stamps: the run's own, or those of the bracket."""
    from lenscal.io.cosmos import read_cosmos

    return run.sources or read_cosmos(settings.source_stamps)


def _scored(run: Run, images: np.ndarray) -> np.ndarray:
    """Scores of the frozen detector."""
    bands = [run.settings.survey.bands.index(band) for band in run.detector.bands]
    return run.detector.score(images[:, bands], run.settings.scores.batch)


def _inner(run: Run, block: xr.Dataset, hosts: xr.Dataset) -> pd.DataFrame:
    from lenscal import realism

    whole = run.settings.injections.model_copy(update={"inner_images": True, "shot_noise": False})
    sources = run.sources
    red = run.settings.survey.bands.index("r")
    pair = [
        _rendered(run, block, hosts, s, sources)[:, red]
        for s in (whole, whole.model_copy(update={"inner_images": False}))
    ]
    row = pd.Index(hosts["galaxy_id"].values).get_indexer(block["galaxy_id"].values.ravel())
    sigma, correlation = (values[row, red] for values in _noise(run, hosts))
    return realism.inner_images(*pair, block["theta_e_drawn"].values.ravel(), sigma, correlation)
