"""What the stamps on disk are, measured: depths, widths, scales, and how few hosts they leave. Needs the real data."""

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from places import ROOT

from lenscal import config, schema
from lenscal.io.psfex import read_psfex
from lenscal.io.survey.stamps import StampError, StampSurvey, load_profiles
from lenscal.kernels import noise, pixels, resampling, widths

SETS = ["des_hosts", "decals_grz", "dr10_lens_candidates"]


@pytest.fixture(scope="module")
def stamps():
    folder = config.real_data()
    if folder is None:
        pytest.skip("real data absent: set LENSCAL_REAL_DATA, or put it at ../shared/data beside the checkout")
    return StampSurvey(folder, SETS, resampling.resample, widths)


@pytest.fixture(scope="module")
def rows(stamps):
    return stamps.rows()


def test_the_three_sets_are_there_and_hold_46_stamps(stamps, rows):
    stamps.check()
    assert rows["brickid"].value_counts().to_dict() == {1: 34, 2: 7, 3: 5}


def test_lrg_stamps_without_z_are_refused_by_name(real):
    with pytest.raises(StampError, match=r"'des_lrg' has no z band .* 50 px"):
        StampSurvey(real, ["des_lrg"], resampling.resample, widths).check()


def test_few_hosts_remain_and_each_says_where_its_conditions_come_from(stamps, rows):
    hosts = rows[rows["host"]]
    assert hosts["condition_source"].value_counts().to_dict() == {"table": 4, "measured": 3}
    assert np.isfinite(hosts[[f"{n}_{b}" for n in ("psfsize", "psfdepth") for b in schema.BANDS]]).all(axis=None)
    ledger = stamps.ledger
    assert (ledger.rows_in, ledger.rows_out, ledger.missing) == (41, 7, 0)
    assert ledger.dropped == {
        "no PSF: no star in the stamp": 31,
        "no PSF: no star in the stamp, no conditions nearby": 3,
    }


def test_stars_of_the_des_stamps_have_the_seeing_of_the_survey(rows):
    found = rows[(rows["brickid"] == 1) & (rows["condition_source"] == "measured")]
    assert len(found) == 3
    for band, (low, high) in {"g": (1.3, 1.5), "r": (1.0, 1.25), "z": (0.92, 1.0)}.items():
        assert found[f"psfsize_{band}"].between(low, high).all()
    # Seeing is better to the red, in every one of them.
    assert (found["psfsize_g"] > found["psfsize_r"]).all()
    assert (found["psfsize_r"] > found["psfsize_z"]).all()


def test_candidates_have_the_depth_of_the_survey_at_their_place(real, rows):
    """r-band PSFDEPTH of the nearest group of bricks, within a degree, from the summary of the survey's own bricks."""
    table = pd.read_csv(real / "conditions" / "dr10_region_conditions.csv.gz")
    table = table[table["median_psfdepth_r"] > 0]
    compared = 0
    for row in rows[(rows["brickid"] == 3) & np.isfinite(rows["psfdepth_r"])].itertuples():
        cos = np.cos(np.deg2rad(row.dec))
        away = np.hypot(((table["ra_center_deg"] - row.ra + 180) % 360 - 180) * cos, table["dec_center_deg"] - row.dec)
        assert away.min() < 1
        assert row.psfdepth_r == pytest.approx(table["median_psfdepth_r"].loc[away.idxmin()], abs=0.25)
        compared += 1
    assert compared == 3


def test_noise_of_the_candidates_is_correlated_as_coadds_are(stamps, rows):
    """survey-facts 9: pixel sigma g 0.0017, r 0.0024, z 0.0079 nanomaggy; sum of the autocorrelation 2.0 (1.1-2.9)."""
    candidates = stamps.read(rows[rows["brickid"] == 3], 101)["image"].values.astype(float)
    noise = np.array([[widths.sky_noise(band)[1:] for band in image] for image in candidates])
    np.testing.assert_allclose(np.median(noise[..., 0], axis=0), [0.0017, 0.0024, 0.0079], rtol=0.15)
    assert (np.median(noise[..., 1], axis=0) > 1.5).all()
    assert (np.median(noise[..., 1], axis=0) < 2.6).all()


def test_resampling_kernels_leave_the_noise_of_real_stamps_as_it_was_measured(stamps, rows):
    variance, lags_off = [], []
    for brick, size in ((1, 91), (3, 101)):
        images = stamps.read(rows[rows["brickid"] == brick], size)["image"].values.astype(float)
        for image in images.reshape(-1, size, size):
            sky = widths.sky_pixels(image) & pixels.ring(size, 33.0, 48.0)
            *_, correlation, lags = pixels.sky_statistics(image, sky)
            kernel = noise.resampling_kernels(lags).astype(float)
            again = np.fft.ifft2(np.abs(np.fft.fft2(kernel, (32, 32))) ** 2).real
            variance.append(again[0, 0] * correlation)
            lags_off.append(np.abs(again[:4, np.arange(-3, 4)] / again[0, 0] - lags).max())
    assert len(variance) == 3 * 39
    assert min(variance) > 0.95
    assert max(variance) < 1.005
    assert max(lags_off) < 0.012
    assert np.quantile(lags_off, 0.95) < 0.003


def test_values_of_viewer_cutouts_are_those_of_a_native_pixel_whatever_their_scale(real):
    """Were they flux per own pixel, the sky noise at 0.262 arcsec would differ between files by
    seven, as their pixel areas.
    """
    as_native, as_own, scales = [], [], []
    for path in sorted((real / "cutouts" / "decals_grz").glob("*.fits.gz")):
        image, header = fits.getdata(path, header=True)
        scale = header["CD2_2"] * 3600
        out = resampling.resample(image[1], scale, 0.262, int(424 * scale / 0.262))
        sigma = widths.sky_noise(out)[1]
        as_own.append(sigma)
        as_native.append(sigma * (scale / 0.262) ** 2)
        scales.append(scale)
    assert np.corrcoef(np.log(scales), np.log(as_own))[0, 1] < -0.8
    assert max(as_own) / min(as_own) > 6
    # The survey's r-band pixel noise is 0.002 to 0.006 nanomaggy.
    assert min(as_native) > 0.0015
    assert max(as_native) < 0.0065


def test_resampling_keeps_the_flux_of_a_real_galaxy(real):
    image, header = fits.getdata(real / "cutouts/decals_grz/decals_dr5_0.1485-1.7632.fits.gz", header=True)
    scale = header["CD2_2"] * 3600
    out = resampling.resample(image, scale, 0.262, 151)
    side = 151 * 0.262 / scale
    share = np.clip(side / 2 + 0.5 - np.abs(np.arange(424) - 211.5), 0, 1)  # of each pixel inside the output
    np.testing.assert_allclose(out.sum(axis=(1, 2)), (image * share[:, None] * share).sum(axis=(1, 2)), rtol=1e-5)


def test_every_stamp_gives_a_cutout_of_91_px_with_its_galaxy_in_the_middle(stamps, rows):
    read = stamps.read(rows, 91)
    assert (read["failure"].values == "").all()
    assert np.isfinite(read["image"].values).all()
    centre = read["image"].values[:, 1, 41:50, 41:50]
    peak = np.array([np.unravel_index(np.argmax(image), image.shape) for image in centre])
    assert (np.abs(peak - 4).max(axis=1) <= 2).mean() > 0.8
    known = np.isfinite(read["psfsize"].values[:, 0])
    assert known.sum() == rows["psfsize_r"].notna().sum() == 10  # 7 hosts and 3 candidates


def test_psf_models_of_each_band_are_wider_in_the_blue(real):
    models = load_profiles().psf_models
    median = {
        band: np.median([widths.psfsize(read_psfex(real / p).image(), 0.262) for p in getattr(models, band)])
        for band in schema.BANDS
    }
    assert median["g"] > median["r"] > median["z"] * 0.95
    assert all(0.9 < value < 1.9 for value in median.values())


def test_the_run_file_is_valid_and_asks_for_what_the_stamps_have(rows):
    settings = config.load(ROOT / "pipelines" / "real-sample.yaml")
    assert settings.survey.profiles == SETS
    hosts, grid = rows[rows["host"]], settings.injections.grid
    for axis, column in ((grid.psf_fwhm, "psfsize_r"), (grid.depth, "psfdepth_r")):
        assert axis.edges[0] <= hosts[column].min()
        assert hosts[column].max() < axis.edges[-1]
    assert settings.injections.trials < settings.completeness.trials_min
    assert len(hosts) < settings.completeness.hosts_min
