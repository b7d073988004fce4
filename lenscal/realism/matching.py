"""Which injections stand beside which real lenses."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import config, schema
from lenscal.gates import Ledger
from lenscal.kernels import draws
from lenscal.kernels.noise import CORRELATION_MAX

SCALES = {
    "psfsize_r": 0.15,
    "psfdepth_r": 0.25,
    "mag_r": 0.5,
    "radius": 0.3,
    "host_colour_gr": 0.1,
    "host_colour_rz": 0.07,
}
"""Differences that count as one, in arcsec, mag, mag, arcsec, mag and mag."""
CONDITIONS = ("psfsize_r", "psfdepth_r", "mag_r", "host_colour_gr", "host_colour_rz")
"""What hosts are matched in before anything is measured; colours only where both sides have them."""


def anchors(galaxies: xr.Dataset, settings: config.Realism, seed: int) -> tuple[pd.DataFrame, Ledger]:
    """The real lenses to compare with: role anchor, a tier of the run file, pixels and noise measured.

    Parameters
    ----------
    galaxies : Dataset (galaxy)
        Coordinates of the cutouts with cutout_ok, sigma and noise_correlation (galaxy, band).
    settings : config.Realism
    seed : int
        Of the run; when there are more than `anchors_max`, a draw by id says which are taken.

    Returns
    -------
    DataFrame
        galaxy_id, position (along `galaxy`), tier, split, psfsize_r, psfdepth_r, mag_r, host_colour_gr, host_colour_rz
        (NaN where unknown).
    Ledger
        Of the galaxies with the role anchor.
    """
    role, tier = (galaxies[name].values.astype(object) for name in ("role", "tier"))
    left = role == "anchor"
    rows_in = int(left.sum())
    dropped = {}
    noise = (
        galaxies["sigma"].transpose("galaxy", "band").values,
        galaxies["noise_correlation"].transpose("galaxy", "band").values,
    )
    measured = np.all([(np.isfinite(v) & (v > 0)).all(1) for v in noise], axis=0)
    for reason, good in (
        ("tier not asked for", np.isin(tier, settings.anchor_tiers)),
        ("cutout not fit for use", galaxies["cutout_ok"].values.astype(bool)),
        ("noise not measured", measured),
        ("light in the sky ring", ~(noise[1] > CORRELATION_MAX).any(1)),
    ):
        dropped[reason] = int((left & ~good).sum())
        left &= good
    position = np.flatnonzero(left)
    ids = galaxies["galaxy_id"].values[position]
    order = np.argsort(draws.hashes(seed, "realism anchor", ids), kind="stable")[: settings.anchors_max]
    dropped["more than anchors_max"] = position.size - order.size
    position = np.sort(position[order])
    table = pd.DataFrame(
        {"galaxy_id": galaxies["galaxy_id"].values[position], "position": position, "tier": tier[position]}
    )
    table["split"] = galaxies["split"].values.astype(object)[position]
    for name in CONDITIONS:
        table[name] = galaxies[name].values[position].astype(float) if name in galaxies else np.nan
    return table, Ledger(rows_in, len(table), {reason: rows for reason, rows in dropped.items() if rows})


def trials(injections: xr.Dataset) -> pd.DataFrame:
    """The injections with an image, one row each: place along the four dims, host, and the host's conditions.

    Parameters
    ----------
    injections : Dataset
        As declared in `schema.INJECTIONS`.
    """
    shape = tuple(injections.sizes[dim] for dim in schema.TRIAL)
    made = np.flatnonzero(injections["failure"].transpose(*schema.TRIAL).values.astype(object).ravel() == "")
    places = np.unravel_index(made, shape)
    table = pd.DataFrame({f"i_{dim}": place for dim, place in zip(schema.TRIAL, places)})
    columns = {
        "galaxy_id": "galaxy_id",
        "injection_id": "injection_id",
        "psfsize_r": "host_psfsize_r",
        "psfdepth_r": "host_psfdepth_r",
        "mag_r": "host_mag_r",
    }
    if "log_density_lens_like" in injections:  # else hosts are those of the survey, whose colours are no lenses'
        columns |= {"host_colour_gr": "host_colour_gr", "host_colour_rz": "host_colour_rz"}
    for name, source in columns.items():
        table[name] = injections[source].transpose(*schema.TRIAL).values.ravel()[made]
    return table.astype({name: float for name in CONDITIONS if name in table})


def selected(injections: xr.Dataset, table: pd.DataFrame) -> xr.Dataset:
    """Some injections as a block of their own, with one bin of each axis: what renders
    injections takes it as any block.
    """
    places = {dim: xr.DataArray(table[f"i_{dim}"].to_numpy(), dims="one") for dim in schema.TRIAL}
    block = injections.isel(places).drop_vars([dim for dim in schema.AXES if dim in injections.coords])
    block = block.rename(one="trial").expand_dims({dim: [np.nan] for dim in schema.AXES})
    return schema.INJECTIONS.describe(block.transpose(*schema.AXES, "trial", ...))


def one_per_host(table: pd.DataFrame, count: int, seed: int) -> pd.DataFrame:
    """At most `count` injections, each of another host: hosts, and the trial of each, drawn by id."""
    order = draws.hashes(seed, "realism trial", table["injection_id"].to_numpy())
    first = table.assign(order=order).sort_values(["order", "injection_id"]).drop_duplicates("galaxy_id")
    return first.head(count).drop(columns="order").reset_index(drop=True)


def distance(one: pd.Series, many: pd.DataFrame, names: tuple[str, ...]) -> np.ndarray:
    """Squared difference in units of `SCALES`; a quantity that either lacks counts nothing."""
    total = np.zeros(len(many))
    for name in names:
        if name in many and name in one:
            total += np.nan_to_num(((many[name].to_numpy(float) - one[name]) / SCALES[name]) ** 2, nan=0.0)
    return total


def candidates(real: pd.DataFrame, table: pd.DataFrame, settings: config.Realism, seed: int) -> pd.DataFrame:
    """For each real lens, injections into the hosts nearest in PSF size, depth, magnitude and colours (`CONDITIONS`),
    one trial of each drawn by id.

    Returns
    -------
    DataFrame
        Rows of `table` with `anchor_id`; an injection may stand for several lenses.
    """
    hosts = table.drop_duplicates("galaxy_id").sort_values("galaxy_id")
    of_host = dict(table.groupby("galaxy_id").indices.items())
    out = []
    for _, anchor in real.iterrows():
        far = distance(anchor, hosts, CONDITIONS)
        for host in hosts["galaxy_id"].to_numpy()[np.argsort(far, kind="stable")[: settings.candidates]]:
            rows = of_host[host]
            turn = draws.hashes(seed, f"realism candidate {int(host)}", np.array([int(anchor["galaxy_id"])]))[0]
            out.append((int(anchor["galaxy_id"]), rows[int(turn % np.uint64(rows.size))]))
    chosen = table.iloc[[row for _, row in out]].reset_index(drop=True)
    return chosen.assign(anchor_id=np.array([anchor for anchor, _ in out], np.int64))


def with_radius(real: pd.DataFrame, near: pd.DataFrame, settings: config.Realism, seed: int) -> np.ndarray:
    """Rows of the candidates that are kept: the nearest also in the arc's measured radius, no host twice.

    Parameters
    ----------
    real : DataFrame
        Anchors with `radius`.
    near : DataFrame
        Candidates with `anchor_id` and `radius`.
    """
    order = real["galaxy_id"].to_numpy()[
        np.argsort(draws.hashes(seed, "realism order", real["galaxy_id"].to_numpy()), kind="stable")
    ]
    queues = {}
    for anchor in order:
        rows = np.flatnonzero(near["anchor_id"].to_numpy() == anchor)
        one = real[real["galaxy_id"] == anchor].iloc[0]
        queues[anchor] = rows[np.argsort(distance(one, near.iloc[rows], tuple(SCALES)), kind="stable")]
    used: set[int] = set()
    kept = []
    hosts = near["galaxy_id"].to_numpy()
    for _ in range(settings.matches):
        for anchor in order:
            row = next((row for row in queues[anchor] if int(hosts[row]) not in used), None)
            if row is not None:
                kept.append(row)
                used.add(int(hosts[row]))
    return np.sort(np.array(kept, np.int64))


def panel(real: pd.DataFrame, injected: pd.DataFrame, settings: config.Realism, seed: int) -> pd.DataFrame:
    """Rows of the blind panel: as many injections as real lenses, in an order drawn by id, the key in `kind`.

    `injected` holds the matched injections with anchor_id; the first match of each lens is shown.
    """
    count = min(settings.panel, len(real), injected["anchor_id"].nunique() if len(injected) else 0)
    chosen = real["galaxy_id"].to_numpy()[
        np.argsort(draws.hashes(seed, "realism panel", real["galaxy_id"].to_numpy()), kind="stable")
    ]
    partners = injected.drop_duplicates("anchor_id").set_index("anchor_id")
    chosen = [anchor for anchor in chosen if anchor in partners.index][:count]
    rows = [{"kind": "real", "galaxy_id": int(a), **{f"i_{dim}": -1 for dim in schema.TRIAL}} for a in chosen]
    rows += [
        {
            "kind": "injected",
            **partners.loc[a, ["galaxy_id", *(f"i_{dim}" for dim in schema.TRIAL)]].astype(int).to_dict(),
        }
        for a in chosen
    ]
    columns = ["kind", "galaxy_id", *(f"i_{dim}" for dim in schema.TRIAL)]
    table = pd.DataFrame(rows, columns=columns)
    if len(table):
        key = draws.hashes(
            seed, "realism blind", table["galaxy_id"].to_numpy() * 2 + (table["kind"] == "real").to_numpy()
        )
        table = table.iloc[np.argsort(key, kind="stable")].reset_index(drop=True)
    table.insert(0, "number", np.arange(1, len(table) + 1))
    return table
