"""Everything that is on the embedded sky: one table of truth, one row an object."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lenscal import config, schema
from lenscal.kernels import draws, magnitudes
from lenscal.mock import conditions, galaxies, geometry, lenses, placing, raytracing, stars

FIELD_SHARE = 0.8  # faint background galaxies to a main one
LENS_CLEARANCE = 13.0  # arcsec: beyond the radius in which the manifest drops neighbours of a lens
_FIELD_TYPES = {"REX": 0.5, "EXP": 0.2, "SER": 0.1, "PSF": 0.2}


def populate(bricks: pd.DataFrame, sky: config.Sky, lens_count: int, seed: int) -> pd.DataFrame:
    """The table of truth.

    Parameters
    ----------
    bricks : DataFrame
        With conditions.
    lens_count : int
        True lenses.

    Returns
    -------
    DataFrame
        brickid, objid, kind, type, ra, dec, observed flux_* [nanomaggy], shape and pattern parameters, lens and source
        parameters, gaia_g, `drawn` (has light of its own in the images) and the brick's conditions at its slot.
    """
    kinds = {brickid: galaxies.kinds(brickid, sky.galaxies_per_brick, seed) for brickid in bricks.brickid}
    supply = pd.DataFrame(
        [(brickid, *pair) for brickid, both in kinds.items() for pair in zip(*both)],
        columns=["brickid", "kind", "type"],
    )
    dealt = lenses.deal(bricks, supply[supply.kind != "faint"], lens_count)
    dealt["row"] = [
        lenses.parameters(index, lens.type, seed, sky.lens_population) for index, lens in enumerate(dealt.itertuples())
    ]
    parts: list[dict] = []
    for index, brick in enumerate(bricks.to_dict("records")):
        own = [row for row, brickid in zip(dealt.row, dealt.brickid) if brickid == brick["brickid"]]
        parts += _one(brick, index, *kinds[brick["brickid"]], own, seed)
    return _observed(_in_more_bands(_stacked(parts), conditions.bands_of(bricks)), bricks, sky.lens_population.arcs)


def _one(
    brick: dict, index: int, kind: np.ndarray, kind_type: np.ndarray, own_lenses: list[dict], seed: int
) -> list[dict]:
    """The objects of one brick, group by group, each a dict of arrays with x and y in its pixels."""
    brickid, n = brick["brickid"], brick["pixels"]
    rng = draws.generator(seed, "mock-galaxies", brickid)
    main = galaxies.light(kind, kind_type, rng)
    second = galaxies.companions(main, rng)
    point = stars.magnitudes(index, brickid, n, seed)
    count = round(FIELD_SHARE * kind.size)
    types = rng.choice(list(_FIELD_TYPES), count, p=list(_FIELD_TYPES.values())).astype(object)
    field = galaxies.light(np.full(count, "field", object), types, rng)
    lens = {name: np.array([row[name] for row in own_lenses]) for name in own_lenses[0]} if own_lenses else {}

    room = geometry.room(brick["side"], n)
    everywhere = _everywhere(brick["side"], n)
    taken, clearance = np.empty((0, 2)), np.empty(0)

    def put(count: int, where: tuple, free: object, tries: int) -> np.ndarray:
        nonlocal taken, clearance
        new = placing.spread(count, where, taken, clearance, rng, tries)
        taken = np.vstack([taken, new])
        clearance = np.concatenate([clearance, np.broadcast_to(np.asarray(free, float), count)])
        return new

    lens_at = put(len(own_lenses), room, 30.0, tries=30)
    bright = point["gaia_g"] < 16
    bright_at = put(int(bright.sum()), everywhere, 0.6 * stars.mask_radius(point["gaia_g"][bright]), tries=40)
    clearance[: len(own_lenses)] = LENS_CLEARANCE
    main_at = put(kind.size, room, 3.0, tries=25)
    if index % 4 == 1 and kind.size > 3:  # a galaxy whose stamp runs off the brick
        main_at[-1, 0] = 25.0 if brick["side"] != "E" else n - 26.0
    turn = np.radians(second["angle"])
    offset = second["separation"][:, None] / schema.PIXEL_SCALE * np.column_stack([np.cos(turn), np.sin(turn)])
    second_at = main_at[second.pop("of")] + offset
    point_at = np.empty((bright.size, 2))
    point_at[bright] = bright_at
    point_at[~bright] = put(int((~bright).sum()), everywhere, 1.0, tries=4)
    field_at = put(count, everywhere, 0.5, tries=5)

    placed = [(lens, lens_at), (main, main_at), (second, second_at), (point, point_at), (field, field_at)]
    parts = [part | {"x": at[:, 0], "y": at[:, 1], "drawn": np.ones(len(at), bool)} for part, at in placed if len(at)]
    first = np.flatnonzero(kind == "early")
    parts += _undrawn(own_lenses, lens_at, main_at[first[0]] if index % 10 == 4 and first.size else None, rng)
    objid = 0
    for part in parts:
        size = part["x"].size
        part |= {"brickid": np.full(size, brickid), "objid": np.arange(objid, objid + size)}
        objid += size
    return parts


def _stacked(parts: list[dict]) -> pd.DataFrame:
    """One table of all groups; what a group does not have is NaN."""
    sizes = [part["x"].size for part in parts]
    names = list(dict.fromkeys(name for part in parts for name in part))
    out = {}
    for name in names:
        dtype = next(part[name].dtype for part in parts if name in part)
        if dtype.kind == "b":
            missing, dtype = False, bool
        elif dtype.kind in "OU":
            missing, dtype = "", object
        elif all(name in part for part in parts):
            missing = 0
        else:
            missing, dtype = np.nan, float
        out[name] = np.concatenate(
            [np.asarray(part.get(name, np.full(size, missing)), dtype) for part, size in zip(parts, sizes)]
        )
    for name in ("gaia_g", "lens_index", "lens_theta_e", "z_lens", *(f"lensed_mag_{band}" for band in schema.BANDS)):
        out.setdefault(name, np.full(sum(sizes), np.nan))
    out.setdefault("known", np.zeros(sum(sizes), bool))
    return pd.DataFrame(out)


def _in_more_bands(truth: pd.DataFrame, bands: Sequence[str]) -> pd.DataFrame:
    """The truth with magnitudes in i, where it was observed, between those in r and z."""
    if "i" not in bands:
        return truth
    new = {}
    for name in ("mag", "lensed_mag", "source_mag"):
        if f"{name}_r" in truth:
            r, z = (truth[f"{name}_{band}"].to_numpy(float) for band in "rz")
            with np.errstate(invalid="ignore"):
                new[f"{name}_i"] = np.where(np.isinf(r), r, magnitudes.i_between(r, z))  # no light, no colour
    return truth.assign(**new)


def _observed(truth: pd.DataFrame, bricks: pd.DataFrame, arcs: bool) -> pd.DataFrame:
    """The truth with positions and with the fluxes that reach the telescope; without `arcs`
    none of the lensed light does.
    """
    home = bricks.set_index("brickid").loc[truth.brickid]
    ra, dec = geometry.to_sky(
        home.ra.to_numpy(), home.dec.to_numpy(), home.pixels.to_numpy(), truth.x.to_numpy(), truth.y.to_numpy()
    )
    new = {"brickname": home.brickname.to_numpy(), "ra": ra, "dec": dec, "split": home.split.to_numpy(), "mock": True}
    for band in (*conditions.bands_of(bricks), "w1"):
        transmission = 10 ** (-0.4 * conditions.EXTINCTION[band] * home.ebv.to_numpy())
        for flux, magnitude in ((f"flux_{band}", f"mag_{band}"), (f"lensed_flux_{band}", f"lensed_mag_{band}")):
            if magnitude in truth:
                new[flux] = 10 ** (0.4 * (schema.ZEROPOINT - truth[magnitude].to_numpy())) * transmission
    if not arcs:
        new |= {name: np.where(np.isfinite(new[name]), 0.0, np.nan) for name in new if name.startswith("lensed_flux_")}
    return truth.assign(**new)


def _everywhere(side: str, n: int) -> tuple[float, float, float, float]:
    """Pixel range of the area in which a brick's objects are primary."""
    rim = geometry.OVERLAP_PX / 2
    return (
        rim if side == "E" else 4,
        n - 1 - rim if side == "W" else n - 5,
        rim if side == "S" else 4,
        n - 1 - rim if side == "N" else n - 5,
    )


def _undrawn(
    own_lenses: list[dict], lens_at: np.ndarray, host: np.ndarray | None, rng: np.random.Generator
) -> list[dict]:
    """Catalogue rows without light of their own: arcs that Tractor took for objects, and a Gaia
    source on a galaxy (DUP).
    """
    extra = []
    for lens, (x, y) in zip(own_lenses, lens_at):
        if lens["lens_index"] % lenses.ARC_ROW_EVERY != 2:
            continue
        mass, source = lenses.split_keys(lens)
        image, _ = raytracing.lensed(mass, source, lenses.half_width(mass["theta_e"], source["r_e"]))
        row, column = np.unravel_index(np.argmax(image), image.shape)
        step = raytracing.GRID / schema.PIXEL_SCALE
        arc = {"kind": "arc", "type": "REX", "r_e": 0.4, "n": 1.0, "mag_w1": lens["lensed_mag_z"] + 1.5}
        arc |= {"x": x + (column - image.shape[1] // 2) * step, "y": y + (row - image.shape[0] // 2) * step}
        extra.append(arc | {f"mag_{band}": lens[f"lensed_mag_{band}"] + 0.8 for band in schema.BANDS})
    if host is not None:
        dup = {
            "kind": "dup",
            "type": "DUP",
            "x": host[0],
            "y": host[1],
            "r_e": 0.0,
            "n": 0.0,
            "gaia_g": rng.uniform(17, 18),
        }
        extra.append(dup | {f"mag_{band}": np.inf for band in (*schema.BANDS, "w1")})
    return [
        {name: np.array([value]) for name, value in (row | {"q": 1.0, "pa": 0.0, "drawn": False}).items()}
        for row in extra
    ]
