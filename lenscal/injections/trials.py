"""Injections: each trial's arc, with its band's PSF and its own shot noise, put into its host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from lenscal import config, schema
from lenscal.errors import InputError, LenscalError
from lenscal.injections import physics, refusing, rendering
from lenscal.injections.numbering import noise_ids
from lenscal.injections.sources import of_kind, prepare
from lenscal.kernels import draws, noise, shot

from .host_pixels import HOST_COORDS, OPTIONAL_COORDS, check_hosts, psfs, rows_of

CHUNK = 64  # injections rendered at once: few enough that their images lie in memory the process has already
NO_HOST, NOT_ASKED = "no host", "not asked for"
"""Why a trial has no image, and is no failure: its cell has no host, or fewer trials (`injections.allocation`)."""


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
        `schema.QUALITY`; `camera_pixel_area` (galaxy, band), of a pixel of the camera over one of the coadd, where
        that is not 1.
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
    bands, size = len(trials.bands), settings.size
    shape = tuple(block.sizes[dim] for dim in schema.TRIAL)
    out = block.assign(
        lensed_mag=((*schema.TRIAL, "band"), trials.lensed.reshape(*shape, bands)),
        arc_snr=(schema.TRIAL, trials.snr.reshape(shape)),
        annulus_snr=(schema.TRIAL, trials.annulus_snr.reshape(shape)),
        failure=(schema.TRIAL, np.array(trials.failure, np.dtypes.StringDType()).reshape(shape)),
        **{name: ((*schema.TRIAL, "band"), values.reshape(*shape, bands)) for name, values in trials.per_band.items()},
        zeropoint_offset=(schema.TRIAL, trials.zeropoint_offset.reshape(shape)),
        **{name: (schema.TRIAL, values.reshape(shape)) for name, values in trials.host_columns().items()},
    ).assign_coords(band=np.array(trials.bands, np.dtypes.StringDType()))
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
        check_hosts(hosts, settings)
        self.bands = [str(band) for band in hosts["band"].values]
        wanted = schema.in_bands(schema.ALL_PARAMETERS, self.bands)
        if missing := [name for name in wanted if name not in block.variables]:
            raise InputError(
                f"injections: trials lack {', '.join(missing)}, and their hosts have {', '.join(self.bands)}: draw "
                "them in these (bands=...)"
            )
        flat = {
            name: block.variables[name].transpose(*schema.TRIAL).values.ravel()
            for name in (*wanted, "galaxy_id", "injection_id", "magnification")
        }
        self.settings, self.seed, self.stamps = settings, seed, prepare(settings.source, sources)
        self.ids, self.galaxy = flat["injection_id"], flat["galaxy_id"]
        names = {
            name: name.removesuffix("_drawn").removeprefix("source_") if "mag" in name else name.removesuffix("_drawn")
            for name in wanted
        }
        self.parameters = {short: flat[name].astype(float) for name, short in names.items()}
        self.hosts = hosts.reset_coords()
        self.host = rows_of(self.galaxy, self.hosts["galaxy_id"].values)
        self.where = f"block psf_fwhm {float(block['psf_fwhm'][0]):g}, depth {float(block['depth'][0]):g}"
        self._of_hosts()
        self.failure = self._failures()
        for row in np.flatnonzero([reason not in ("", NO_HOST, NOT_ASKED) for reason in self.failure]):
            self._stop_at(row)
        self.lensed = np.full((len(self.ids), len(self.bands)), np.nan)
        self.snr, self.annulus_snr = np.full(len(self.ids), np.nan), np.full(len(self.ids), np.nan)

    def _of_hosts(self) -> None:
        """Gain, PSF and whatever is wrong, host by host."""
        bands = self.bands
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
        if "camera_pixel_area" in self.hosts:
            weights /= self.hosts["camera_pixel_area"].transpose("galaxy", "band").values
        used = self.host >= 0
        host_gain = (
            pixel_gain if not used.any() else physics.configured_gain(self.settings, pixel_gain, bands, self.where)
        )
        self.psf, self.psf_problem = psfs(self.hosts, self.settings.moffat_beta)
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
        reasons, none = [], NOT_ASKED if self.settings.allocation else NO_HOST
        for row, reason in zip(self.host, refusing.problems(self.parameters)):
            reasons.append(none if row < 0 else self.host_problem[row] or (f"parameters: {reason}" if reason else ""))
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
        held = {name: source for name, source in OPTIONAL_COORDS.items() if source in self.hosts.variables}
        for name, source in (HOST_COORDS | held).items():
            values = self.hosts[source].values
            if schema.INJECTIONS.variables[name].dtype == "str":
                text = np.append(values.astype(np.dtypes.StringDType()), np.array([""], np.dtypes.StringDType()))
                out[name] = text[self.host]
            else:
                out[name] = np.append(values.astype(np.float32), np.float32(np.nan))[self.host]
        return out

    def empty(self) -> np.ndarray:
        """Images (trial, band, y, x) to render into: NaN where there will be none."""
        out = np.empty((len(self.ids), len(self.bands), self.settings.size, self.settings.size), np.float32)
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
        flux = np.column_stack([10 ** (-0.4 * (values[f"mag_{band}"] - schema.ZEROPOINT)) for band in self.bands])
        components = of_kind(self.settings.source, values, self.ids[good], self.seed, self.stamps, schema.PIXEL_SCALE)
        gain, keys = self._electrons(good)
        psf = self.psf.astype(np.float32)
        bench = rendering.Bench((side, side), schema.PIXEL_SCALE, psf.shape[-2:])
        for first in range(0, good.size, CHUNK):
            part = slice(first, first + CHUNK)
            rows, chosen = good[part], {name: array[part] for name, array in values.items()}
            arcs, inside, full = bench.convolved(
                chosen, components.part(part), flux[part], psf, self.host[rows], self.settings.inner_images
            )
            if self.measures:
                self._measure(rows, arcs, flux[part] * inside[:, None], chosen["theta_e"])
            if images is not None:
                shot.put_into(hosts, self.host[rows], arcs, gain[part], keys[part], self.kernels, rows, images)
            for row in rows[full > 0]:
                self._fail(row, images)

    def _electrons(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gain of each trial and band, infinite without shot noise, and the key of its noise."""
        keys = [draws.hashes(self.seed, f"shot noise {band}", noise_ids(self.ids[rows])) for band in self.bands]
        gain = (
            self.per_band["gain"][rows] if self.settings.shot_noise else np.full((rows.size, len(self.bands)), np.inf)
        )
        return gain, np.column_stack(keys)

    def _measure(self, rows: np.ndarray, arcs: np.ndarray, flux: np.ndarray, theta_e: np.ndarray) -> None:
        """Magnitude of the lensed images inside the stamp, and both SNR of the arc in r."""
        with np.errstate(divide="ignore"):
            self.lensed[rows] = schema.ZEROPOINT - 2.5 * np.log10(flux)
        size, middle = self.settings.size, (arcs.shape[-1] - 1) / 2
        sigma, correlation, lags = (values[self.host[rows]] for values in self.noise)
        snr, annulus = np.empty(len(rows)), np.empty(len(rows))
        red = arcs[:, self.bands.index("r"), :size, :size]
        noise.arc_snrs(red, sigma, correlation, lags, theta_e / schema.PIXEL_SCALE, (middle, middle), snr, annulus)
        self.snr[rows], self.annulus_snr[rows] = snr, annulus

    def _fail(self, row: int, images: np.ndarray | None) -> None:
        """A trial whose source proved too large while it was rendered."""
        self.failure[row] = f"parameters: {refusing.TOO_LARGE}"
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
