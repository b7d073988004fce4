"""Tables of what the detector finds: training, thresholds, trials, completeness, recovered lenses and failures."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lenscal import schema
from lenscal.report import viewer
from lenscal.report.inputs import Inputs

from .summary import LEVEL, headline, scored, share, summary


def warning(inputs: Inputs) -> str:
    """One line for figures of completeness: empty where injections are recovered as real lenses
    are, or nothing was said.
    """
    verdict, words = (str(inputs.completeness.attrs.get(name, "")) for name in ("recovery_verdict", "recovery"))
    return f"{words}. These numbers are not those of real lenses." if verdict == "NO-GO" else ""


@summary("detector/history", "Training, epoch by epoch")
def history(inputs: Inputs) -> pd.DataFrame | None:
    return inputs.history


@summary("thresholds", "Thresholds set on the validation negatives")
def thresholds(inputs: Inputs) -> pd.DataFrame:
    data = inputs.thresholds
    one = data.sel(level=LEVEL, method="nearest")
    return pd.DataFrame(
        {
            "rate_requested": data["rate_requested"].values,
            "threshold": data["threshold"].values,
            "n": data["n_negatives"].values,
            "k": data["n_false"].values,
            "rate": data["false_positive_rate"].values,
            "lower_68": one["lower"].values,
            "upper_68": one["upper"].values,
        }
    )


@summary("injections", "Injections: medians and the central 80 %")
def trials(inputs: Inputs) -> pd.DataFrame:
    good = inputs.injections["failure"].values == ""
    rows = []
    for name in (
        "theta_e_drawn",
        "magnification",
        "beta_fraction",
        "arc_snr",
        "r_e",
        "n",
        "q",
        "source_mag_r",
        "host_mag_r",
    ):
        values = inputs.injections[name].values[good].astype(float)
        values = values[np.isfinite(values)]
        low, mid, high = np.percentile(values, [10, 50, 90]) if values.size else (np.nan,) * 3
        about = schema.INJECTIONS.variables[name]
        rows.append(
            {
                "quantity": about.about,
                "unit": about.units.replace("1", ""),
                "trials": int(values.size),
                "p10": low,
                "p50": mid,
                "p90": high,
            }
        )
    return pd.DataFrame(rows)


@summary("completeness", "Cells of the grid by status")
def statuses(inputs: Inputs) -> pd.DataFrame:
    status = inputs.completeness["status"].values.astype(object)
    injected = inputs.completeness["n_injected"].transpose(*inputs.completeness["status"].dims).values
    return pd.DataFrame(
        [
            {"status": s, "cells": int((status == s).sum()), "injections": int(injected[status == s].sum())}
            for s in ("sufficient", "insufficient", "no data")
        ]
    )


@summary("completeness", "Completeness, cell by cell")
def completeness(inputs: Inputs) -> pd.DataFrame:
    cube = inputs.completeness.transpose(
        "theta_e", "psf_fwhm", "depth", "threshold", "quantile", "level", ..., missing_dims="ignore"
    )
    flat = xr_frame(cube[["n_injected", "n_failed", "n_hosts", "n_detected", "n_effective", "status"]])
    flat["median"] = cube["completeness"].sel(quantile=0.5).values.ravel()
    for level in cube["level"].values:
        for end in ("lower", "upper"):
            flat[f"{end}_{100 * level:.0f}"] = cube[end].sel(level=level).values.ravel()
    if "total_lower" in cube:
        for level in cube["level"].values:
            for end in ("lower", "upper"):
                flat[f"total_{end}_{100 * level:.0f}"] = cube[f"total_{end}"].sel(level=level).values.ravel()
    return flat


@summary("completeness", "Completeness at the headline PSF and depth, by population of hosts, with its error budget")
def budget(inputs: Inputs) -> pd.DataFrame | None:
    cube = inputs.populations
    if cube is None or "total_lower" not in cube:
        return None
    psf, depth = headline(inputs)
    level = float(cube["level"].values[np.argmin(np.abs(cube["level"].values - LEVEL))])
    rows = []
    for name in cube["population"].values:
        for theta_e in cube["theta_e"].values:
            one = cube.sel(population=name, psf_fwhm=psf, depth=depth, theta_e=theta_e).isel(threshold=0)
            row = {
                "population": str(name),
                "theta_e": float(theta_e),
                "median": float(one["completeness"].sel(quantile=0.5)),
            }
            row |= {f"{end}_68": float(one[end].sel(level=level)) for end in ("lower", "upper")}
            for cause in cube["cause"].values:
                row[str(cause)] = (
                    f"−{abs(float(one['systematic_lower'].sel(cause=cause))):.2f} "
                    f"+{abs(float(one['systematic_upper'].sel(cause=cause))):.2f}"
                )
            row |= {f"total_{end}_68": float(one[f"total_{end}"].sel(level=level)) for end in ("lower", "upper")}
            rows.append(
                {
                    **row,
                    "n_effective": float(one["n_effective"]),
                    "hosts_effective": float(one["hosts_effective"]),
                    "status": str(one["status"].values),
                }
            )
    return pd.DataFrame(rows)


def xr_frame(cube: object) -> pd.DataFrame:
    """One row per (theta_e, psf_fwhm, depth, threshold), broadcast where a variable has no threshold."""
    dims = ("theta_e", "psf_fwhm", "depth", "threshold")
    like = cube["n_detected"].transpose(*dims)
    axes = np.meshgrid(*[like[d].values for d in dims], indexing="ij")
    out = pd.DataFrame({d: axis.ravel() for d, axis in zip(dims, axes)})
    rate = np.broadcast_to(like["false_positive_rate"].values, like.shape)
    out.insert(4, "false_positive_rate", rate.ravel())
    for name in cube.data_vars:
        values = cube[name].broadcast_like(like).transpose(*dims).values
        out[name] = (values.astype(object) if values.dtype.kind in "OTU" else values).ravel()
    return out


@summary("completeness", "Completeness at the headline PSF and depth")
def headline_completeness(inputs: Inputs) -> pd.DataFrame:
    psf, depth = headline(inputs)
    table = completeness(inputs)
    first = inputs.completeness["threshold"].values[0]
    rows = table[(table["psf_fwhm"] == psf) & (table["depth"] == depth) & (table["threshold"] == first)]
    return rows.drop(columns=["threshold", "false_positive_rate"]).reset_index(drop=True)


@summary("completeness", "Sky and hosts with each PSF and depth")
def occupancy(inputs: Inputs) -> pd.DataFrame:
    cube = inputs.completeness.transpose("psf_fwhm", "depth", ...)
    psf, depth = np.meshgrid(cube["psf_fwhm"].values, cube["depth"].values, indexing="ij")
    return pd.DataFrame(
        {
            "psf_fwhm": psf.ravel(),
            "depth": depth.ravel(),
            "host_pool": cube["host_pool"].values.ravel(),
            "area": cube["area"].values.ravel(),
        }
    )


@summary("scores/cutouts, manifest", "Known lenses recovered, out of training")
def recovered(inputs: Inputs) -> pd.DataFrame:
    table = scored(inputs)
    table = table[(table["role"] == "anchor") & np.isfinite(table["score"])]
    channel = table["channel"].fillna("").astype(str)
    channels = sorted({c for joined in channel for c in joined.split("|") if c})
    without_ml = (channel != "") & ~channel.str.contains(
        "imaging-ml|follow-up"
    )  # follow-up takes its targets from there
    groups = [("all anchors", "", np.ones(len(table), bool))]
    groups += [("tier", tier, (table["tier"] == tier).to_numpy()) for tier in schema.TIERS if tier]
    groups += [("channel", c, np.array([c in joined.split("|") for joined in channel], bool)) for c in channels]
    groups += [("selected without imaging ML", "", without_ml.to_numpy())]
    least = inputs.settings.detector.training.arc_snr_min
    seen = (table["arc_snr"] >= least).to_numpy()
    groups += [("arc", f"SNR {least:g} or more", seen), ("arc", f"SNR below {least:g}", ~seen)]
    rows = []
    for threshold in inputs.thresholds["threshold"].values:
        hits = table["score"].to_numpy() >= threshold
        rows += [
            {"threshold": float(threshold), **share(group, value, hits[inside])} for group, value, inside in groups
        ]
    return pd.DataFrame(rows)


@summary("failures/false_positives", "Negatives of the test split called lenses, by class and by condition")
def false_positives(inputs: Inputs) -> pd.DataFrame | None:
    return inputs.false_positives


@summary("failures/missed", "Injections missed, by what they are")
def missed(inputs: Inputs) -> pd.DataFrame | None:
    return inputs.missed


@summary("failures/gallery", "What is shown, by the number of its picture")
def gallery(inputs: Inputs) -> pd.DataFrame | None:
    """Rows of the gallery, with a link to the public viewer where the sky is the real one."""
    if inputs.gallery is None or inputs.attrs.get("mock"):
        return inputs.gallery
    layer = inputs.settings.survey.layer
    links = [viewer.link(ra, dec, layer) for ra, dec in zip(inputs.gallery["ra"], inputs.gallery["dec"])]
    return inputs.gallery.assign(viewer=links)
