"""Injections: each trial's arc, with its band's PSF and its own shot noise, put into its host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import config, schema
from lenscal.errors import InputError, LenscalError
from lenscal.gates import Gate, absent
from lenscal.injections import physics, rendering
from lenscal.injections.priors import noise_ids
from lenscal.injections.sources import of_kind, prepare
from lenscal.kernels import convolution, draws, light, noise, shot

MOFFAT_SIZE = 61  # pixels: 8 arcsec around the centre
CHUNK = 64  # injections rendered at once: few enough that their images lie in memory the process has already
NO_HOST = "no host"
EFFICIENCY_MIN = 0.01
_NEEDED = (
    "image",
    "invvar",
    "psfsize",
    "psfdepth",
    "psf_fwhm_core",
    "psf_beta",
    "sigma",
    "noise_correlation",
    "noise_lags",
    "failure",
)
_HOST_COORDS = {
    "host_type": "type",
    "host_split": "split",
    "host_psfsize_r": "psfsize_r",
    "host_psfdepth_r": "psfdepth_r",
    "host_mag_r": "mag_r",
}


class InjectionError(LenscalError, RuntimeError):
    """A trial that cannot be made, in a run that is to stop at the first."""


def inject(
    block: xr.Dataset,
    hosts: xr.Dataset,
    settings: config.Injections,
    seed: int,
    sources: Sequence[Mapping] | None = None,
) -> xr.Dataset:
    """Outcome of every trial of a block, and the pixels when `settings.keep_images`.

    Parameters
    ----------
    block : Dataset (theta_e, psf_fwhm, depth, trial)
        From `draw`.
    hosts : Dataset (galaxy)
        The hosts of the block, as declared in `schema.CUTOUTS`, with `sigma`, `noise_correlation` and `noise_lags` of
        `schema.QUALITY`.
    settings : config.Injections
    seed : int
        Of the run.
    sources : list of dict
        Real galaxies (image, pixel_scale, name), when the source is "stamps".

    Returns
    -------
    Dataset
        As declared in `schema.INJECTIONS`. A trial that cannot be made has its reason in `failure`; the others go on.

    Raises
    ------
    ValueError
        Hosts in another unit, of another size or without what is needed; a host of the block that is not among them; a
        gain that the pixels contradict (`physics.GainError`).
    InjectionError
        A trial that cannot be made, with `settings.on_failure` "stop"; the message names the injection and the block.
    """
    trials = _Trials(block, hosts, settings, seed, sources, measures=True)
    kept = trials.empty() if settings.keep_images else None
    trials.render(kept)
    bands, size = len(schema.BANDS), settings.size
    shape = tuple(block.sizes[dim] for dim in schema.TRIAL)
    out = block.assign(
        lensed_mag=((*schema.TRIAL, "band"), trials.lensed.reshape(*shape, bands)),
        arc_snr=(schema.TRIAL, trials.snr.reshape(shape)),
        annulus_snr=(schema.TRIAL, trials.annulus_snr.reshape(shape)),
        failure=(schema.TRIAL, np.array(trials.failure, np.dtypes.StringDType()).reshape(shape)),
        **{name: ((*schema.TRIAL, "band"), values.reshape(*shape, bands)) for name, values in trials.per_band.items()},
        zeropoint_offset=(schema.TRIAL, trials.zeropoint_offset.reshape(shape)),
        **{name: (schema.TRIAL, values.reshape(shape)) for name, values in trials.host_columns().items()},
    ).assign_coords(band=np.array(schema.BANDS, np.dtypes.StringDType()))
    out.attrs["inner_images"] = int(settings.inner_images)
    if kept is not None:
        out["image"] = ((*schema.TRIAL, "band", "y", "x"), kept.reshape(*shape, bands, size, size))
    return schema.INJECTIONS.check(schema.INJECTIONS.describe(out))


def images(
    block: xr.Dataset,
    hosts: xr.Dataset,
    settings: config.Injections,
    seed: int,
    sources: Sequence[Mapping] | None = None,
) -> np.ndarray:
    """The pixels of a block's injections, the same bits as `inject` made (arguments as there).

    Returns
    -------
    (trial, band, y, x) float32 array
        Host plus arc, nanomaggy; trials in the order of the block's dims theta_e, psf_fwhm, depth, trial. NaN where the
        host has NaN, and all over where the trial failed.
    """
    trials = _Trials(block, hosts, settings, seed, sources)
    out = trials.empty()
    trials.render(out)
    return out


class _Trials:
    """Trials of a block, flat, and what their hosts bring."""

    def __init__(
        self,
        block: xr.Dataset,
        hosts: xr.Dataset,
        settings: config.Injections,
        seed: int,
        sources: Sequence[Mapping] | None,
        measures: bool = False,
    ) -> None:
        self.measures = measures
        _check_hosts(hosts, settings)
        flat = {
            name: block.variables[name].transpose(*schema.TRIAL).values.ravel()
            for name in (*schema.PARAMETERS, "galaxy_id", "injection_id", "magnification")
        }
        self.settings, self.seed, self.stamps = settings, seed, prepare(settings.source, sources)
        self.ids, self.galaxy = flat["injection_id"], flat["galaxy_id"]
        names = {
            name: name.removesuffix("_drawn").removeprefix("source_") if "mag" in name else name.removesuffix("_drawn")
            for name in schema.PARAMETERS
        }
        self.parameters = {short: flat[name].astype(float) for name, short in names.items()}
        self.hosts = hosts.reset_coords()
        self.host = _rows_of(self.galaxy, self.hosts["galaxy_id"].values)
        self.where = f"block psf_fwhm {float(block['psf_fwhm'][0]):g}, depth {float(block['depth'][0]):g}"
        self._of_hosts()
        self.failure = self._failures()
        for row in np.flatnonzero([reason not in ("", NO_HOST) for reason in self.failure]):
            self._stop_at(row)
        self.lensed = np.full((len(self.ids), len(schema.BANDS)), np.nan)
        self.snr, self.annulus_snr = np.full(len(self.ids), np.nan), np.full(len(self.ids), np.nan)

    def _of_hosts(self) -> None:
        """Gain, PSF and whatever is wrong, host by host."""
        bands = schema.BANDS
        sky = np.array([noise.DARK_SKY[band] for band in bands])
        sigma, correlation = (
            self.hosts[name].transpose("galaxy", "band").values.astype(float) for name in ("sigma", "noise_correlation")
        )
        pixel_gain = noise.gain(sky, sigma, correlation)
        lags = self.hosts["noise_lags"].transpose("galaxy", "band", "lag_y", "lag_x").values
        red = bands.index("r")
        self.noise = sigma[:, red], correlation[:, red], lags[:, red].astype(float)
        self.kernels = noise.resampling_kernels(lags if self.settings.shot_noise else lags[:0])
        weights = noise.gain_of_weights(sky, self.hosts["invvar"].transpose("galaxy", "band", "y", "x").values)
        used = self.host >= 0
        host_gain = pixel_gain if not used.any() else physics.configured_gain(self.settings, pixel_gain, self.where)
        self.psf, self.psf_problem = _psfs(self.hosts, self.settings.moffat_beta)
        found = physics.of_hosts(self.hosts, self.psf) if self.measures else {}
        missing = np.full((1, len(bands)), np.nan)
        if self.measures:
            self.zeropoint_offset = np.append(found.pop("zeropoint_offset"), np.nan)[self.host]
        found |= {"gain": host_gain, "gain_ratio": host_gain / weights}
        self.per_band = {name: np.concatenate([values, missing])[self.host] for name, values in found.items()}
        observed = np.isfinite(self.hosts["image"]).any(("y", "x")).all("band").values
        self.host_problem = []
        for row, reason in enumerate(self.hosts["failure"].values.astype(object)):
            if not reason and not np.isfinite(weights[row]).all():
                reason = "host without variance: no positive inverse variance in some band"
            measured = (
                (pixel_gain[row] > 0).all()
                and np.isfinite(lags[row]).all()
                and np.isfinite(self.kernels[row : row + 1]).all()
            )
            if not reason and not measured:
                reason = "host without a noise measure in some band"
            if not reason and not observed[row]:
                reason = "host without pixels in some band"
            self.host_problem.append(reason or self.psf_problem[row])

    def _failures(self) -> list[str]:
        reasons = []
        for row, reason in zip(self.host, rendering.problems(self.parameters)):
            reasons.append(
                NO_HOST if row < 0 else self.host_problem[row] or (f"parameters: {reason}" if reason else "")
            )
        return reasons

    def _stop_at(self, row: int) -> None:
        """Raise for a trial that cannot be made, when the run file says so."""
        if self.settings.on_failure == "stop":
            raise InjectionError(
                f"injections: {self.where}: injection {self.ids[row]} (host {self.galaxy[row]}): {self.failure[row]}; "
                'set injections.on_failure to "count" to go on without it'
            )

    def host_columns(self) -> dict[str, np.ndarray]:
        """What is repeated of the host, trial by trial."""
        out = {}
        for name, source in _HOST_COORDS.items():
            values = self.hosts[source].values
            if schema.INJECTIONS.variables[name].dtype == "str":
                text = np.append(values.astype(np.dtypes.StringDType()), np.array([""], np.dtypes.StringDType()))
                out[name] = text[self.host]
            else:
                out[name] = np.append(values.astype(np.float32), np.float32(np.nan))[self.host]
        return out

    def empty(self) -> np.ndarray:
        """Images (trial, band, y, x) to render into: NaN where there will be none."""
        out = np.empty((len(self.ids), len(schema.BANDS), self.settings.size, self.settings.size), np.float32)
        out[[bool(reason) for reason in self.failure]] = np.nan
        return out

    def render(self, images: np.ndarray | None) -> None:
        """Render the trials that can be made, CHUNK at a time, host by host: the transform of a PSF
        serves all trials of its host.

        Fills `lensed`, `snr` and `annulus_snr` when measures are wanted, and `images` (see `empty`) when there are any.
        """
        good = np.flatnonzero([not reason for reason in self.failure])
        good = good[np.argsort(self.host[good], kind="stable")]
        size = self.settings.size
        start, side = _frame(self.hosts.sizes["x"], size)
        crop = (..., slice(start, start + size), slice(start, start + size))
        hosts = np.ascontiguousarray(self.hosts["image"].transpose("galaxy", "band", "y", "x").values[crop], np.float32)
        values = {name: array[good] for name, array in self.parameters.items()}
        flux = np.column_stack([10 ** (-0.4 * (values[f"mag_{band}"] - schema.ZEROPOINT)) for band in schema.BANDS])
        components = of_kind(self.settings.source, values, self.ids[good], self.seed, self.stamps, schema.PIXEL_SCALE)
        gain, keys = self._electrons(good)
        bench = rendering.Bench((side, side), schema.PIXEL_SCALE, self.psf.shape[-2:])
        for first in range(0, good.size, CHUNK):
            part = slice(first, first + CHUNK)
            rows, chosen = good[part], {name: array[part] for name, array in values.items()}
            used, which = np.unique(self.host[rows], return_inverse=True)
            transforms = convolution.psf_transform(self.psf[used], bench.torus)
            arcs, inside, full = bench.convolved(
                chosen, components.part(part), flux[part], transforms, which, self.settings.inner_images
            )
            if self.measures:
                self._measure(rows, arcs, flux[part] * inside[:, None], chosen["theta_e"])
            if images is not None:
                shot.put_into(hosts, self.host[rows], arcs, gain[part], keys[part], self.kernels, rows, images)
            for row in rows[full > 0]:
                self._fail(row, images)

    def _electrons(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gain of each trial and band, infinite without shot noise, and the key of its noise."""
        keys = [draws.hashes(self.seed, f"shot noise {band}", noise_ids(self.ids[rows])) for band in schema.BANDS]
        gain = (
            self.per_band["gain"][rows] if self.settings.shot_noise else np.full((rows.size, len(schema.BANDS)), np.inf)
        )
        return gain, np.column_stack(keys)

    def _measure(self, rows: np.ndarray, arcs: np.ndarray, flux: np.ndarray, theta_e: np.ndarray) -> None:
        """Magnitude of the lensed images inside the stamp, and both SNR of the arc in r."""
        with np.errstate(divide="ignore"):
            self.lensed[rows] = schema.ZEROPOINT - 2.5 * np.log10(flux)
        size, middle = self.settings.size, (arcs.shape[-1] - 1) / 2
        sigma, correlation, lags = (values[self.host[rows]] for values in self.noise)
        snr, annulus = np.empty(len(rows)), np.empty(len(rows))
        red = arcs[:, schema.BANDS.index("r"), :size, :size]
        noise.arc_snrs(red, sigma, correlation, lags, theta_e / schema.PIXEL_SCALE, (middle, middle), snr, annulus)
        self.snr[rows], self.annulus_snr[rows] = snr, annulus

    def _fail(self, row: int, images: np.ndarray | None) -> None:
        """A trial whose source proved too large while it was rendered."""
        self.failure[row] = f"parameters: {rendering.TOO_LARGE}"
        self._stop_at(row)
        self.lensed[row] = self.snr[row] = self.annulus_snr[row] = np.nan
        if images is not None:
            images[row] = np.nan


def _frame(stamp: int, size: int) -> tuple[int, int]:
    """First pixel of the crop, and the side of an image centred on the object whose first
    `size` pixels are the crop.
    """
    start = (stamp - size) // 2
    return start, stamp - 2 * start


def _check_hosts(hosts: xr.Dataset, settings: config.Injections) -> None:
    if missing := [name for name in (*_NEEDED, "galaxy_id", *_HOST_COORDS.values()) if name not in hosts.variables]:
        raise InputError(
            f"injections: hosts lack {missing}; sigma, noise_correlation and noise_lags come from the quality of the "
            "cutouts: do that stage again"
        )
    for name in ("image", "invvar", "sigma", "noise_correlation", "noise_lags", "psf_fwhm_core"):
        variable = schema.CUTOUTS.variables.get(name) or schema.QUALITY.variables[name]
        if problem := variable.problem(name, hosts[name]):
            raise InputError(f"injections: hosts: {problem}")
    bands = [str(band) for band in hosts["band"].values]
    if bands != list(schema.BANDS):
        raise InputError(f"injections: hosts have bands {bands}, not {list(schema.BANDS)}")
    if not hosts.sizes["y"] == hosts.sizes["x"] >= settings.size:
        raise InputError(
            f"injections: hosts are {hosts.sizes['y']} x {hosts.sizes['x']} px, too small for "
            f"images of {settings.size} px"
        )


def _rows_of(galaxy: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Row of each galaxy among the hosts; -1 for those that stand for no host."""
    order = np.argsort(ids, kind="stable")
    place = np.searchsorted(ids[order], galaxy)
    row = order[np.minimum(place, ids.size - 1)] if ids.size else np.zeros(galaxy.size, int)
    found = ids[row] == galaxy if ids.size else np.zeros(galaxy.size, bool)
    lost = np.flatnonzero(~found & (galaxy >= 0))
    if lost.size:
        raise InputError(
            f"injections: galaxy {galaxy[lost[0]]} is a host of this block but not among the {ids.size} hosts given"
        )
    return np.where(galaxy >= 0, row, -1)


def _psfs(hosts: xr.Dataset, moffat_beta: float | None = None) -> tuple[np.ndarray, list[str]]:
    """PSF images (galaxy, band, y, x) of the hosts, Moffat where there is no image, and what is wrong with them."""
    fwhm, beta = (
        hosts[name].transpose("galaxy", "band").values.astype(float) for name in ("psf_fwhm_core", "psf_beta")
    )
    if moffat_beta is not None:
        beta = np.where(np.isfinite(beta), moffat_beta, np.nan)
        fwhm = light.moffat_fwhm(hosts["psfsize"].transpose("galaxy", "band").values.astype(float), moffat_beta)
    given = (
        hosts["psf"].transpose("galaxy", "band", "psf_y", "psf_x").values
        if "psf" in hosts
        else np.full((*fwhm.shape, 1, 1), np.nan)
    )
    if given.shape[-2] % 2 == 0 or given.shape[-1] % 2 == 0:
        raise InputError(f"injections: PSF images of the hosts are {given.shape[-2:]} pixels; their sides must be odd")
    side = max(MOFFAT_SIZE, *given.shape[-2:])
    out = np.zeros((*fwhm.shape, side, side))
    reasons = [""] * len(fwhm)
    y, x = ((side - n) // 2 for n in given.shape[-2:])
    for row, band in np.ndindex(fwhm.shape):
        image = given[row, band]
        if np.isfinite(image).any():
            reason = rendering.psf_problem(image)
            out[row, band, y : y + image.shape[0], x : x + image.shape[1]] = image if not reason else 0
        elif 0 < fwhm[row, band] < np.inf and 1 < beta[row, band] < np.inf:
            reason, out[row, band] = "", light.moffat(fwhm[row, band], beta[row, band], side, schema.PIXEL_SCALE)
        else:
            reason = "the host has neither a PSF image nor a PSF size"
        if reason and not reasons[row]:
            reasons[row] = f"band {schema.BANDS[band]}: {reason}"
    return out, reasons


def gates(injections: xr.Dataset, hosts: pd.DataFrame, settings: config.Injections) -> list[Gate]:
    """Claims about the injections of a run.

    Parameters
    ----------
    injections : Dataset
        All blocks, as declared in `schema.INJECTIONS`.
    hosts : DataFrame
        From `assign_hosts`.
    settings : config.Injections
    """
    made = injections["failure"].values.astype(object) == ""
    galaxy = injections["galaxy_id"].values
    tried = galaxy >= 0
    if not tried.any():
        return [
            Gate("injections.made", "some cell of the grid has hosts", "cells with hosts", 0, minimum=1, critical=True)
        ]
    low, high = settings.magnification
    mu = injections["magnification"].values[made]
    out = [
        _hosts_gate(galaxy, settings),
        Gate(
            "injections.failed",
            "every trial with a host has an image",
            "share of trials that failed",
            float((tried & ~made).sum() / tried.sum()),
            maximum=0.0,
            evidence=_reasons(injections, tried),
        ),
    ]
    if not made.any():
        return out
    outside = int(((mu < low) | (mu > high) | ~np.isfinite(mu)).sum())
    out.append(
        Gate(
            "injections.magnification",
            f"magnifications lie in {low:g}-{high:g}",
            "trials outside",
            outside,
            maximum=0,
            critical=True,
            evidence=f"{mu.min():.2f} to {mu.max():.2f} over {mu.size} trials",
        )
    )
    out.append(_efficiency_gate(injections["proposals"].values[tried]))
    out.append(_flux_gate(injections, made, settings))
    out += physics.gates(injections, made)
    return out


def _efficiency_gate(proposals: np.ndarray) -> Gate:
    """Share of proposals that met the range of the magnification: below a hundredth, the range and not
    the prior makes the sample.
    """
    accepted = proposals.size / proposals.sum() if proposals.sum() else np.nan
    return Gate(
        "injections.efficiency",
        "the prior meets the range of the magnification",
        "accepted over proposed",
        float(accepted),
        minimum=EFFICIENCY_MIN,
        evidence=(
            f"{proposals.size} accepted of {int(proposals.sum())} proposed; at most "
            f"{int(proposals.max())} for one trial"
        ),
    )


def _hosts_gate(galaxy: np.ndarray, settings: config.Injections) -> Gate:
    cells = galaxy.transpose(1, 2, 0, 3).reshape(galaxy.shape[1] * galaxy.shape[2], -1)
    counts = [np.unique(cell[cell >= 0]).size for cell in cells]
    populated = [count for count in counts if count]
    return Gate(
        "injections.hosts",
        "every populated cell has enough distinct hosts",
        "distinct hosts in the poorest populated cell",
        min(populated),
        minimum=min(settings.hosts_min, settings.trials),
        critical=True,
        evidence=f"{len(populated)} of {len(counts)} cells have hosts",
    )


def _reasons(injections: xr.Dataset, tried: np.ndarray) -> str:
    """How many trials failed for each reason, and the first of them with its block."""
    failure = injections["failure"].values.astype(object)
    out = []
    for reason, count in pd.Series(failure[tried & (failure != "")]).value_counts().items():
        first = tuple(np.argwhere(tried & (failure == reason))[0])
        psf, depth = float(injections["psf_fwhm"][first[1]]), float(injections["depth"][first[2]])
        name = int(injections["injection_id"].values[first])
        out.append(f"{reason}: {count}, first injection {name} of block psf_fwhm {psf:g}, depth {depth:g}")
    return "; ".join(out) or "none"


def _flux_gate(injections: xr.Dataset, made: np.ndarray, settings: config.Injections) -> Gate:
    claim = "lensed flux inside the stamp is the magnification times the source's flux"
    if not settings.inner_images:
        return absent("injections.flux", claim, "inner images are suppressed, the magnification is that of all images")
    lensed = injections["lensed_mag"].isel(band=schema.BANDS.index("r")).values[made]
    expected = injections["source_mag_r"].values[made] - 2.5 * np.log10(injections["magnification"].values[made])
    ratio = 10 ** (-0.4 * (lensed - expected))
    return Gate(
        "injections.flux",
        claim,
        "1st percentile of the ratio",
        float(np.quantile(ratio, 0.01)),
        minimum=0.97,
        maximum=1.005,
        critical=True,
        evidence=f"ratio {ratio.min():.4f} to {ratio.max():.4f}; light outside the stamp is missing from it",
    )
