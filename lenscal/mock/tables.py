"""The tables of the embedded sky as files: sweeps, bricks, random points, catalogues, truth."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lenscal import schema
from lenscal.kernels import draws
from lenscal.mock import catalogues, columns, files, parts, stamps, sweeps

_DENSITY = 2500.0  # random points to the square degree, as in the files of the survey


@dataclass(frozen=True)
class Observed:
    """What one region has of the sky, and what was made of it: rows of all of its sweeps, and of each brick the summary
    from `pixels.draw`.
    """

    part: parts.Part
    sweep: np.ndarray
    summaries: dict


def tables(
    observed: Sequence[Observed], bricks: pd.DataFrame, truth: pd.DataFrame, seed: int, release: schema.Release
) -> list[tuple[str, bytes]]:
    """Place below the survey's root and content of every table of the sky.

    Parameters
    ----------
    observed : sequence of Observed
        Each region.
    bricks, truth : DataFrame
        Of the whole sky, each brick once.
    seed : int
        Of the run.
    release : Release
        In whose files.
    """
    out = [("survey-bricks.fits.gz", files.zipped(files.table(catalogues.brick_geometry(bricks), {}, "BRICKS")))]
    for one in observed:
        out += _of_region(one)
    if release.drawn_randoms:
        card = ("DENSITY", _DENSITY, "points to the square degree")
        spelt = columns.units(columns.of(observed[0].part.release, columns.RANDOMS))
        points = _random_points([one.part for one in observed], release, seed)
        out.append((release.drawn_randoms, files.table(points, spelt, "RANDOMS", [card])))
    spectra = catalogues.spectroscopic_lenses(truth, bricks, seed, release.photsys)
    out.append(
        ("catalogues/desi-sl-vac-mock.fits", files.table(spectra, columns.units(columns.VAC), "DESI_SL_CATALOG"))
    )
    out.append(("catalogues/known-lenses.csv", catalogues.known_lenses(truth, seed)))
    out.append(("catalogues/contaminants.csv", catalogues.contaminants(truth, seed)))
    out += zip(("sources/cosmos_stamps.fits.gz", "sources/cosmos_catalog.csv"), stamps.draw(seed))
    buffer = io.BytesIO()
    truth.to_parquet(buffer, index=False)
    out.append(("truth/truth.parquet", buffer.getvalue()))
    buffer = io.BytesIO()
    everywhere = pd.concat([one.part.bricks for one in observed], ignore_index=True)
    everywhere.assign(mock=True).to_parquet(buffer, index=False)
    out.append(("truth/bricks.parquet", buffer.getvalue()))
    return out


def _of_region(one: Observed) -> list[tuple[str, bytes]]:
    """Sweeps and table of bricks of a region."""
    release = one.part.release
    units = columns.units(columns.of(release, columns.SWEEP))
    tiles = sweeps.by_tile(one.sweep)
    out = [(f"{release.sweeps}/{name}", files.table(rows, units, "SWEEP")) for name, rows in tiles.items()]
    summary = catalogues.brick_summary(one.part.bricks, one.sweep, one.summaries, release)
    place = f"{release.region}/{release.bricks[0].format(region=release.region)}"
    return [*out, (place, files.zipped(files.table(summary, {}, "BRICKS")))]


def _random_points(seen: Sequence[parts.Part], release: schema.Release, seed: int) -> np.ndarray:
    """Random points of a sky: of both regions, each where the survey takes the sky from it, in random order."""
    points = [catalogues.random_points(part.bricks, part.release, part.seed, _DENSITY) for part in seen]
    if not release.parts:
        return points[0]
    kept = [rows[release.region_at(rows["RA"], rows["DEC"]) == part.release.region] for part, rows in zip(seen, points)]
    whole = np.zeros(sum(rows.size for rows in kept), points[0].dtype)  # with the bands of the south
    place = np.cumsum([0, *(rows.size for rows in kept)])
    for start, rows in zip(place, kept):
        for name in rows.dtype.names:
            whole[name][start : start + rows.size] = rows[name]
    return whole[draws.generator(seed, "mock-randoms", 1).permutation(whole.size)]
