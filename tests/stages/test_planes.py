"""Planes of another band, kind or place are seen by what they show: light, seeing and place of each
brick against the catalogue.
"""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from astropy.io import fits
from spoilt import change

from lenscal import quality, schema
from lenscal.audit import run
from lenscal.gates import ABSENT, FAIL, PASS

pytestmark = pytest.mark.filterwarnings("ignore")
FLUX = np.array([8.0, 20.0, 40.0])  # red galaxies
SIZE = 101


def sample(bricks=3, rows=8, seed=1, faint=1.0):
    """Cutouts of galaxies, each band seen as the catalogue says, and their rows of the manifest."""
    rng = np.random.default_rng(seed)
    n = bricks * rows
    y, x = np.mgrid[:SIZE, :SIZE] - SIZE // 2
    flux = faint * FLUX * 10 ** rng.normal(0, 0.1, (n, 3))
    away = rng.uniform(-0.5, 0.5, (n, 2))
    image = np.empty((n, 3, SIZE, SIZE))
    for i in range(n):
        shape = np.exp(-((x - away[i, 0]) ** 2 + (y - away[i, 1]) ** 2) / 2 / 2.5**2)
        image[i] = flux[i][:, None, None] * shape / shape.sum() + rng.normal(
            0, [[[0.002]], [[0.003]], [[0.006]]], (3, SIZE, SIZE)
        )
    names = np.repeat([f"{100 + b}p000" for b in range(bricks)], rows)
    psfsize = np.tile([1.4, 1.3, 1.2], (n, 1))
    text = np.dtypes.StringDType()
    cutouts = xr.Dataset(
        {
            "image": (("galaxy", "band", "y", "x"), image),
            "psfsize": (("galaxy", "band"), psfsize.copy()),
            "cutout_url": (
                "galaxy",
                np.array([f"south/coadd/1/{b}/legacysurvey-{b}-image-{{g,r,z}}.fits.fz" for b in names], text),
            ),
        },
        coords={"band": np.array(schema.BANDS, text)},
    )
    table = pd.DataFrame({"brickname": names})
    for b, band in enumerate(schema.BANDS):
        table[f"flux_{band}"], table[f"psfsize_{band}"], table[f"psfdepth_{band}"] = (
            flux[:, b],
            psfsize[:, b],
            [25.0, 24.5, 23.5][b],
        )
    return cutouts, table


def verdicts(cutouts, rows):
    return {gate.id: gate for gate in quality.plane_gates(quality.compared(cutouts, rows))}


def test_sound_planes_pass_and_the_numbers_are_those_that_were_drawn():
    cutouts, rows = sample()
    gates = verdicts(cutouts, rows)
    assert {gate.verdict for gate in gates.values()} == {PASS}
    assert set(gates) == {f"quality.{kind}.{band}" for kind in ("flux", "psfsize") for band in "grz"} | {
        "quality.shift.g",
        "quality.shift.z",
    }
    table = quality.of_bricks(quality.compared(cutouts, rows))
    assert table["flux"].abs().max() < 0.02
    assert table["colour"].abs().max() < 0.02
    assert table[["x", "y"]].abs().max(axis=None) < 0.05
    assert table["psfsize"].eq(0).all()


def test_a_brick_that_two_blocks_share_is_one_brick():
    cutouts, rows = sample()
    whole = quality.of_bricks(quality.compared(cutouts, rows))
    parts = [quality.compared(cutouts.isel(galaxy=slice(a, b)), rows.iloc[a:b]) for a, b in ((0, 5), (5, 6), (6, None))]
    pd.testing.assert_frame_equal(quality.of_bricks(piece for part in parts[::-1] for piece in part), whole)
    assert whole["flux"].notna().all()


def in_one_brick(cutouts, change):
    """The change in the pixels of the first brick alone."""
    out = cutouts.copy(deep=True)
    change(out.isel(galaxy=slice(0, 8)))
    return out


def swap(one, two, name="image"):
    def change(part):
        values = part[name].values
        values[:, [one, two]] = values[:, [two, one]]

    return change


def mirrored(axis):
    def change(part):  # of the brick, not of the stamp: another part of the sky
        part["image"].values[:, 2] = np.roll(part["image"].values[:, 2], 40, axis=axis)

    return change


FAULTS = {
    "g and z swapped": (swap(0, 2), ["quality.flux.g", "quality.flux.z"]),
    "g and r swapped": (swap(0, 1), ["quality.flux.g", "quality.flux.r"]),
    "r and z swapped": (swap(1, 2), ["quality.flux.r", "quality.flux.z"]),
    "psfsize of g and z swapped": (swap(0, 2, "psfsize"), ["quality.psfsize.g", "quality.psfsize.z"]),
    "psfsize in pixels": (
        lambda p: p["psfsize"].values.__itruediv__(0.262),
        ["quality.psfsize.g", "quality.psfsize.r", "quality.psfsize.z"],
    ),
    "g twice": (lambda p: p["image"].values.__setitem__((slice(None), 2), p["image"].values[:, 0]), ["quality.flux.z"]),
    "z mirrored along x": (mirrored(-1), ["quality.flux.z"]),
    "z mirrored along y": (mirrored(-2), ["quality.flux.z"]),
    "z in other units": (lambda p: p["image"].values[:, 2].__imul__(3.631), ["quality.flux.z"]),
    "all in other units": (lambda p: p["image"].values.__imul__(3.631), [f"quality.flux.{b}" for b in "grz"]),
    **{
        f"{'grz'[b]} shifted by a pixel along {'yx'[axis]}": (
            lambda p, b=b, axis=axis: p["image"].values.__setitem__(
                (slice(None), b), np.roll(p["image"].values[:, b], 1, axis=axis + 1)
            ),
            ["quality.shift.g", "quality.shift.z"] if b == 1 else [f"quality.shift.{'grz'[b]}"],
        )
        for b in range(3)
        for axis in range(2)
    },
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("rows", [8, 3])
def test_planes_of_one_brick_that_are_not_what_they_should_be_fail_a_critical_gate(fault, rows):
    change, gates = FAULTS[fault]
    cutouts, table = sample(rows=8)
    kept = np.flatnonzero(np.arange(24) % 8 < rows)
    found = verdicts(in_one_brick(cutouts, change).isel(galaxy=kept), table.iloc[kept])
    for name in gates:
        assert (found[name].verdict, found[name].critical, found[name].value) == (FAIL, True, 1), name
        assert "100p000" in found[name].evidence
    assert all(
        gate.verdict == PASS
        for name, gate in found.items()
        if name.split(".")[1] not in {g.split(".")[1] for g in gates}
    )


def test_a_few_odd_galaxies_do_not_speak_for_their_brick():
    cutouts, rows = sample()
    cutouts["image"].values[:3] = cutouts["image"].values[[8, 9, 10], ::-1]
    cutouts["psfsize"].values[:3] *= 3
    assert {gate.verdict for gate in verdicts(cutouts, rows).values()} == {PASS}


@pytest.mark.parametrize("faint", [0.001, 0.0])
def test_faint_galaxies_or_too_few_say_nothing(faint):
    for cutouts, rows in (
        sample(faint=faint),
        tuple(
            part.isel(galaxy=[0, 1, 8]) if isinstance(part, xr.Dataset) else part.iloc[[0, 1, 8]] for part in sample()
        ),
    ):
        gates = verdicts(cutouts, rows)
        assert {gates[f"quality.flux.{band}"].verdict for band in "grz"} == {ABSENT}


def test_unobserved_pixels_and_failed_cutouts_say_nothing():
    cutouts, rows = sample()
    cutouts["image"].values[:8] = np.nan
    cutouts["psfsize"].values[:8] = np.nan
    gates = verdicts(cutouts, rows)
    assert {gate.verdict for gate in gates.values()} == {PASS}
    assert all("2 bricks with" in gate.evidence for gate in gates.values())


SWAPPED = {
    "images": ("image",),
    "images and weights": ("image", "invvar"),
    "all of a band": ("image", "invvar", "nexp", "psfsize"),
}


@pytest.mark.parametrize("products", SWAPPED)
def test_files_of_two_bands_that_were_swapped_without_their_cards_fail_the_run(spoilt, here, products):
    folders, settings = spoilt
    folder = folders[0]
    for product in SWAPPED[products]:
        one, two = (folder / f"legacysurvey-{folder.name}-{product}-{band}.fits.fz" for band in "gz")
        content = one.read_bytes(), two.read_bytes()
        one.write_bytes(content[1])
        two.write_bytes(content[0])
        for path in (one, two):
            with fits.open(path) as hdus:
                has = [card for card in ("FILTER", "EXTNAME") if card in hdus[1].header]
            change(path, dict.fromkeys(has))
    wide = {"noise_ratio_limits": (1e-6, 1e6), "cutout_noise_ratio_limits": (1e-6, 1e6), "failed_fraction_max": 1.0}
    result = run(settings(quality=wide), ["cutouts", "quality"])
    failed = {gate.id: gate for gate in result.failed}
    assert {"quality.flux.g", "quality.flux.z"} <= set(failed)
    assert folder.name in failed["quality.flux.g"].evidence
