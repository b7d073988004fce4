"""A run in g, r, i, z goes the whole way, and its i is that of the files; a run in g, r, z of the same sky stays as it
was."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from finished import SMALL, finish, runfile

import lenscal
from lenscal import config, injections, mock
from lenscal.audit import Run
from lenscal.audit.images import gallery_images, host_pixels, injected_images
from lenscal.audit.stages import STAGES
from lenscal.kernels import magnitudes
from lenscal.scores import scoring

pytestmark = pytest.mark.filterwarnings("ignore")

GRIZ = ["g", "r", "i", "z"]


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """Of a finished run in four bands, its detector too."""
    folder = tmp_path_factory.mktemp("griz")
    detector = SMALL["detector"] | {"bands": GRIZ}
    return finish(runfile(folder, "griz", survey={"bands": GRIZ}, detector=detector), sky=True)


@pytest.fixture(scope="module")
def run(settings):
    return Run(settings)


def root_of(settings):
    return Path(settings.survey.root)


def test_every_stage_is_done_to_the_report(run):
    assert {path.parent.name for path in run.plans.glob("*/done.json")} >= set(STAGES)
    assert list(run.folder.glob("report/*.html"))


def test_every_store_names_its_four_bands(run):
    for name in ("cutouts", "quality", "injections"):
        assert run.store(name)["band"].values.tolist() == GRIZ
    assert run.detector.bands == tuple(GRIZ)
    assert {"psfsize_i", "psfdepth_i", "nobs_i", "flux_i"} <= set(run.manifest)
    assert (run.manifest["nobs_i"] >= run.settings.manifest.nobs_min).all()


def test_a_cutout_in_i_is_the_pixels_of_its_brick_and_its_seeing_that_of_the_file(run, settings):
    cutouts = run.store("cutouts").load()
    looked = 0
    for row in np.linspace(0, cutouts.sizes["galaxy"] - 1, 6).astype(int):
        one = cutouts.isel(galaxy=row)
        if str(one["failure"].values):
            continue
        files = run.survey.brick(str(one["cutout_url"].values).split("legacysurvey-")[1].split("-image")[0])
        x, y = (int(np.floor(float(v[0]) + 0.5)) for v in files.pixels([one["ra"].values], [one["dec"].values]))
        with fits.open(files.path("image", "i")) as hdus:
            assert float(one["image"].sel(band="i")[50, 50]) == hdus[1].data[y, x]
        with fits.open(files.path("psfsize", "i")) as hdus:
            assert float(one["psfsize"].sel(band="i")) == hdus[1].data[y, x]
        looked += 1
    assert looked >= 4


def test_seeing_and_depth_of_i_are_those_of_the_catalogue(run):
    cutouts = run.store("cutouts").load()
    rows = run.manifest.set_index("galaxy_id").loc[cutouts["galaxy_id"].values]
    ok = cutouts["failure"].values.astype(object) == ""
    np.testing.assert_allclose(
        cutouts["psfsize"].sel(band="i").values[ok], rows["psfsize_i"].to_numpy(float)[ok], rtol=0.03
    )
    np.testing.assert_allclose(cutouts["psfdepth"].sel(band="i").values, rows["psfdepth_i"].to_numpy(float), rtol=1e-6)
    r, i, z = (rows[f"flux_{band}"].to_numpy(float) for band in "riz")
    bright = (r > 30) & (z > 30)
    mag = [22.5 - 2.5 * np.log10(flux[bright]) for flux in (r, i, z)]
    assert np.median(np.abs(mag[1] - magnitudes.i_between(mag[0], mag[2]))) < 0.02


def test_the_measured_noise_and_planes_of_i_pass_the_gates_of_the_others(run):
    gates = {
        gate["id"]: gate for path in run.plans.glob("*/done.json") for gate in json.loads(path.read_text())["gates"]
    }
    for name in ("quality.flux", "quality.psfsize", "quality.shift", "injections.psf_width", "injections.depth"):
        separator = "." if name.startswith("quality") else "_"
        found = gates[f"{name}{separator}i"]
        assert found["verdict"] in ("pass", "not judged", "absent"), found
    assert gates["injections.gain_i"]["value"] == pytest.approx(1, abs=0.5)


def test_injected_arcs_in_i_have_the_flux_of_their_magnitude(run):
    injected = run.store("injections").load()
    made = injected["failure"].values.astype(object) == ""
    assert made.sum() > 20
    expected = injected["source_mag_i"].values - 2.5 * np.log10(injected["magnification"].values)
    lensed = injected["lensed_mag"].sel(band="i").values
    assert np.quantile(np.abs(lensed - expected)[made], 0.95) < 0.05
    cell = injected.isel(psf_fwhm=[0], depth=[0])
    quiet = run.settings.injections.model_copy(update={"shot_noise": False})
    ids = np.unique(cell["galaxy_id"].values)
    known = run.store("cutouts")["galaxy_id"].values
    hosts = host_pixels(run, np.flatnonzero(np.isin(known, ids)))
    images = injections.images(cell, hosts, quiet, run.settings.seed)
    row = pd.Index(hosts["galaxy_id"].values).get_indexer(cell["galaxy_id"].values.ravel())
    bare = lenscal.crop(hosts["image"].transpose("galaxy", "band", "y", "x").values, run.settings.injections.size)[row]
    flux = (images - bare)[:, GRIZ.index("i")].sum((1, 2))
    good = np.isfinite(flux) & (cell["failure"].values.astype(object).ravel() == "")
    assert good.sum() > 5
    # What the PSF scatters off the stamp is missing.
    np.testing.assert_allclose(
        22.5 - 2.5 * np.log10(flux[good]), cell["lensed_mag"].sel(band="i").values.ravel()[good], atol=0.08
    )


def test_scores_and_realism_are_of_four_bands(run):
    scores = run.store("scores", "injections")["score"].values
    assert np.isfinite(scores).sum() > 20
    noise = run.table("realism/noise.parquet")
    assert noise["band"].tolist() == GRIZ
    assert "snr_i" in run.table("realism/measures.parquet")


def test_the_tables_of_a_release_hold_the_magnitudes_of_i(settings):
    table = lenscal.open_run(settings.stores)["injections"]
    assert "source_mag_i" in table


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grz")
    settings = config.load(runfile(folder, "grz"))
    mock.draw(settings, workers=1)
    return settings


def test_planes_of_g_r_z_are_the_same_bytes_whether_i_is_drawn_or_not(settings, usual):
    def sums(which):
        lines = (root_of(which) / "sha256sums.txt").read_text().splitlines()
        return {place: digest for digest, place in (line.split("  ") for line in lines)}

    three, four = sums(usual), sums(settings)
    planes = {place for place in three if "/coadd/" in place}
    assert planes
    assert {place: four[place] for place in planes} == {place: three[place] for place in planes}
    more = set(four) - set(three)
    assert more
    assert all(place.endswith("-i.fits.fz") for place in more)
    first = [sorted(root_of(which).rglob("sweep-*.fits"))[0] for which in (usual, settings)]
    with fits.open(first[0]) as three, fits.open(first[1]) as four:
        of_i = {name for name in three[1].columns.names if name.endswith("_I")}
        same = {name for name in three[1].columns.names if np.array_equal(three[1].data[name], four[1].data[name])}
    assert set(three[1].columns.names) - of_i <= same
    assert {"FLUX_I", "FLUX_IVAR_I", "NOBS_I", "PSFSIZE_I", "PSFDEPTH_I", "GALDEPTH_I"} <= of_i - same


def test_a_sky_without_i_is_drawn_anew_for_a_run_with_i(usual):
    assert mock.is_current(usual)
    more = usual.model_copy(update={"survey": config.Survey(**(usual.survey.model_dump() | {"bands": GRIZ}))})
    assert not mock.is_current(more)


class Red:
    """A detector of z and g, in that order."""

    bands, size, hash = ("z", "g"), 64, "0" * 64

    def score(self, images, batch=None):
        return np.nanmean(images[:, 0], (1, 2)) - 10 * np.nanmean(images[:, 1], (1, 2))

    def probability(self, score):
        return 1 / (1 + np.exp(-score))


def test_a_detector_of_other_bands_takes_its_own_by_name_from_four(run):
    cutouts = run.store("cutouts").isel(galaxy=slice(0, 12)).load()
    quality = run.store("quality").isel(galaxy=slice(0, 12)).load()
    found = scoring.score_cutouts(cutouts, quality, Red())["score"].values
    mean = cutouts["image"].mean(("y", "x"))
    ok = quality["cutout_ok"].values
    assert ok.sum() > 5
    np.testing.assert_allclose(
        found[ok], (mean.sel(band="z") - 10 * mean.sel(band="g")).values[ok], rtol=1e-4, atol=1e-7
    )
    cell = run.store("injections").isel(psf_fwhm=[0], depth=[0]).load()
    images = injected_images(run, cell)
    scores = scoring.score_injections(cell, lambda block: images, Red())["score"].values.ravel()
    good = np.isfinite(scores)
    assert good.sum() > 5
    own = np.nanmean(images, (2, 3))[good]
    np.testing.assert_allclose(
        scores[good], own[:, GRIZ.index("z")] - 10 * own[:, GRIZ.index("g")], rtol=1e-4, atol=1e-7
    )


def test_every_picture_of_the_report_is_of_g_r_z(run):
    ids = run.store("cutouts")["galaxy_id"].values[:2]
    images = gallery_images(run, pd.DataFrame({"galaxy_id": ids}))
    store = run.store("cutouts").isel(galaxy=slice(0, 2)).load()
    side = run.settings.injections.size
    expected = lenscal.crop(store["image"].sel(band=["g", "r", "z"]).transpose("galaxy", "band", "y", "x").values, side)
    np.testing.assert_array_equal(images, expected)
