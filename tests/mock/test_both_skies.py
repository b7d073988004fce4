"""A sky of both regions lies across the declination where the north begins, and near it both telescopes see the same
galaxies, each in its own way.
"""

import json

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from release_skies import SKY, drawn, plain

from lenscal import config, schema
from lenscal.io import sweeps

galsim = pytest.importorskip("galsim")

from lenscal import mock  # noqa: E402
from lenscal.mock import geometry, parts  # noqa: E402

BOTH = schema.release("dr11", "both")
BORDER = 32.375


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    place = tmp_path_factory.mktemp("both") / "survey"
    drawn(place, "dr11", "both")
    return place


@pytest.fixture(scope="module")
def bricks(root):
    return pd.read_parquet(root / "truth" / "bricks.parquet")


@pytest.fixture(scope="module")
def truth(root):
    return pd.read_parquet(root / "truth" / "truth.parquet")


def sweep(root, region):
    return pd.concat(map(sweeps.read_sweep, sweeps.sweep_files(root, region=region)), ignore_index=True)


def test_bricks_about_the_border_are_in_both_folders_and_the_others_in_one(root, bricks):
    off = geometry.dec_of(bricks["healpix_128"].to_numpy()) - BORDER
    folders = bricks.groupby("brickid")["region"].agg(set)
    strip = bricks.assign(off=off).groupby("brickid")["off"].first().abs() < parts.STRIP
    assert (folders[strip].map(len) == 2).all()
    assert (folders[~strip].map(len) == 1).all()
    assert 0 < strip.sum() < len(strip)
    for brick in bricks.itertuples():
        folder = root / brick.region / "coadd" / brick.brickname[:3] / brick.brickname
        assert len(list(folder.glob("*-image-*"))) == 3
    assert len(folders) == SKY["bricks"]
    assert set(bricks["region"]) == {"south", "north"}


def test_a_brick_of_each_split_lies_across_the_border_with_objects_of_both_regions(bricks, truth):
    across = bricks[bricks["dec"] == BORDER].drop_duplicates("brickid")
    assert set(across["split"]) == {"train", "val", "test"}
    regions = truth[truth["brickid"].isin(across["brickid"])].groupby("brickid")["region"].agg(set)
    assert (regions.map(len) == 2).all()
    np.testing.assert_array_equal(truth["region"], BOTH.region_at(truth["ra"].to_numpy(), truth["dec"].to_numpy()))


def test_the_same_galaxies_have_other_noise_seeing_and_errors_in_each_region(root, bricks):
    both = sweep(root, "south").merge(sweep(root, "north"), on=["BRICKID", "OBJID"], suffixes=("_s", "_n"))
    both = both.drop_duplicates(["BRICKID", "OBJID"])
    assert len(both) > 30
    assert set(both["RELEASE_s"]) == {11010}
    assert set(both["RELEASE_n"]) == {11011}
    apart = 3600 * np.hypot(
        (both["RA_s"] - both["RA_n"]) * np.cos(np.radians(both["DEC_s"])), both["DEC_s"] - both["DEC_n"]
    )
    assert 0 < apart.median() < 0.3
    bright = both[(both["FLUX_R_s"] > 20) & (both["FLUX_R_n"] > 20)]
    ratio = bright["FLUX_R_n"] / bright["FLUX_R_s"]
    assert ratio.median() == pytest.approx(1, abs=0.02)
    assert ratio.std() > 1e-4
    seeing = bricks.pivot_table(index="brickid", columns="region", values="psfsize_z").dropna()
    assert (seeing["south"] != seeing["north"]).all()
    dust = bricks.pivot_table(index="brickid", columns="region", values="ebv").dropna()
    assert (dust["south"] == dust["north"]).all()
    name = bricks.loc[bricks["dec"] == BORDER, "brickname"].iloc[0]
    noise = [
        fits.getdata(root / region / "coadd" / name[:3] / name / f"legacysurvey-{name}-image-r.fits.fz")
        for region in schema.REGIONS
    ]
    good = np.isfinite(noise[0]) & np.isfinite(noise[1])
    quiet = good & (np.abs(noise[0]) < 0.03) & (np.abs(noise[1]) < 0.03)
    assert abs(np.corrcoef(noise[0][quiet], noise[1][quiet])[0, 1]) < 0.6


def test_the_north_has_no_i_and_the_south_its_columns(root):
    for region, count in (("south", 130), ("north", 115)):
        path = sorted((root / schema.release("dr11", region).sweeps).iterdir())[0]
        assert len(fits.getdata(path).columns) == count
    points = fits.getdata(root / "randoms" / "randoms-1-0.fits")
    assert set(points["PHOTSYS"]) == {"N", "S"}
    assert "NOBS_I" in points.columns.names
    place = BOTH.region_at(points["RA"], points["DEC"])
    assert (np.char.upper(place.astype("U1")) == points["PHOTSYS"].astype(str)).all()
    assert (points["PSFDEPTH_R"] > 0).all()


def test_every_cell_of_the_grid_is_in_validation_and_test_and_said_of_what_is_drawn(root, truth):
    said = json.loads((root / "mock.json").read_text())
    assert said["folders"][:2] == ["south", "north"]
    assert said["sky"]["region"] == "both"
    lenses = fits.getdata(root / "catalogues" / "desi-sl-vac-mock.fits")
    place = BOTH.region_at(lenses["TARGET_RA"], lenses["TARGET_DEC"])
    codes = np.where(place == "north", 11011, 11010)
    near = np.abs(lenses["TARGET_DEC"] - BORDER) < 1e-3
    assert (lenses["RELEASE"] == codes)[~near].all()
    geometry_table = fits.getdata(root / "survey-bricks.fits.gz")
    assert len(geometry_table) == len(set(geometry_table["BRICKNAME"])) == SKY["bricks"]


def test_a_sky_of_both_is_the_same_whoever_draws_it_and_is_known_when_it_is_there(root, tmp_path):
    settings = config.Settings.model_validate(plain(tmp_path / "survey", "dr11", "both"))
    mock.draw(settings, workers=2)
    assert mock.is_current(settings)
    assert (tmp_path / "survey" / "sha256sums.txt").read_bytes() == (root / "sha256sums.txt").read_bytes()
    one = config.Settings.model_validate(plain(tmp_path / "survey", "dr11", "south"))
    assert not mock.is_current(one)
    mock.draw(one, workers=2)
    assert not (tmp_path / "survey" / "north").exists()


def test_a_release_without_a_north_cannot_be_drawn_as_both():
    with pytest.raises(ValueError, match="there is no north of dr10"):
        config.Sky(region="both")
