"""Stamps become cutouts and rows as their profile declares: bands, axes, scale, zero point and
PSF, and nothing by guess.
"""

import gzip
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from astropy.io import fits
from contracts import check_survey
from stamp_files import SIGMA, WAYS, decals, declared, galaxy, moffat

from lenscal import schema
from lenscal.io.survey.stamps import Profile, StampError, StampSurvey, load_profiles
from lenscal.io.survey.stamps.profiles import DECLARED
from lenscal.kernels import resampling, widths


def psfex(path, fwhm):
    mask = np.zeros((1, 6, 63, 63), "f4")
    mask[0, 0] = moffat(63, fwhm, beta=2.6)
    table = fits.BinTableHDU.from_columns([fits.Column("psf_mask", "23814E", dim="(63,63,6)", array=mask)])
    for key, value in {
        "POLZERO1": 1,
        "POLZERO2": 1,
        "POLSCAL1": 1,
        "POLSCAL2": 1,
        "POLDEG1": 2,
        "PSF_SAMP": 1.0,
    }.items():
        table.header[key] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    table.writeto(path)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Every layout of profiles.yaml, small: 6 host stamps (one with a star), 3 viewer cutouts, 2 candidates."""
    tmp_path = tmp_path_factory.mktemp("stamps")
    rng = np.random.default_rng(1)
    stamps = np.stack([galaxy(rng, 91, "griz", star=i == 2) for i in range(6)], axis=1)
    folder = tmp_path / "cutouts" / "des_hosts"
    folder.mkdir(parents=True)
    np.savez(folder / "des_hosts.npz", image=stamps, bands=np.array(list("griz")), pixscale=0.263)
    for name, ra, dec in (("a", 10.0, 1.0), ("b", 10.4, 1.0), ("c", 200.0, 1.0)):
        decals(tmp_path / f"cutouts/decals_grz/decals_{name}.fits.gz", rng, ra, dec)
    folder = tmp_path / "cutouts" / "dr10_lens_candidates"
    folder.mkdir()
    for i in (1, 2):
        image = galaxy(rng, 101, "grz").transpose(1, 2, 0)
        image[:4, :4] = 0
        np.savez(
            folder / f"lens_{i}.npz",
            cutout=image,
            meta_ra=10.0 + i / 10,
            meta_dec=1.2,
            meta_pixel_scale=0.262,
            meta_tier="AB"[i - 1],
            meta_bands_requested="grz",
            meta_match_type="ser ",
            meta_nobs_z=7,
            meta_brickname="0100p010",
            meta_galaxy_id=f"lens{i}",
            meta_cutout_url="url",
            meta_timestamp="2026-02-08",
        )
    models = load_profiles().psf_models
    for band, wide in (("g", 3.9), ("r", 3.4), ("z", 2.6)):
        for i, name in enumerate(getattr(models, band)):
            psfex(tmp_path / name, wide * (0.9 + 0.05 * i))
    (tmp_path / "conditions").mkdir()
    conditions = "ra_center_deg,dec_center_deg,median_psf_r_arcsec\n10.0,1.3,1.35\n10.0,1.01,0.0\n203.0,1.0,1.1\n"
    (tmp_path / "conditions" / "dr10_region_conditions.csv.gz").write_bytes(gzip.compress(conditions.encode()))
    return tmp_path


@pytest.fixture
def root(drawn, tmp_path):
    """A copy to change."""
    return Path(shutil.copytree(drawn, tmp_path / "data"))


def survey(root, *profiles, **more):
    return StampSurvey(root, list(profiles), resampling.resample, widths, **more)


@pytest.fixture(scope="module")
def everything(drawn):
    return survey(drawn, "des_hosts", "decals_grz", "dr10_lens_candidates")


def test_stamps_keep_the_contract_of_surveys(everything, tmp_path):
    check_survey(everything, everything.rows(), tmp_path)


def test_every_layout_is_there_and_as_declared(everything):
    everything.check()


def test_rows_are_those_of_the_manifest_sorted_and_unique(everything):
    rows = everything.rows()
    assert len(rows) == 11
    assert rows["galaxy_id"].is_monotonic_increasing
    assert rows["galaxy_id"].is_unique
    assert set(rows.columns) <= set(schema.MANIFEST.variables)
    assert (rows["galaxy_id"] == rows["objid"].astype("int64") + rows["brickid"].astype("int64") * 2**22).all()
    assert (rows["release"] == 0).all()


def test_only_hosts_may_carry_an_injection_and_candidates_are_anchors(everything):
    rows = everything.rows().set_index("galaxy_id")
    candidates = rows[rows["brickid"] == 3]
    assert not candidates["host"].any()
    assert list(candidates["role"]) == ["anchor"] * 2
    assert list(candidates["pool"]) == ["positive"] * 2
    assert list(candidates["tier"]) == ["A", "B"]
    assert list(candidates["type"]) == ["SER"] * 2
    assert list(candidates["label"]) == [1, 1]
    assert (rows.loc[rows["brickid"] < 3, "pool"] == "N1").all()


def test_a_stamp_without_a_position_has_none_and_the_others_have_theirs(everything):
    rows = everything.rows()
    assert rows.loc[rows["brickid"] == 1, ["ra", "dec"]].isna().all(axis=None)
    assert list(rows.loc[rows["brickid"] == 2, "ra"]) == [10.0, 10.4, 200.0]


def test_conditions_come_from_the_star_then_the_table_and_say_so(everything):
    rows = everything.rows()
    hosts = rows[rows["pool"] == "N1"]
    assert list(hosts["condition_source"]) == [*["none"] * 2, "measured", *["none"] * 3, "table", "table", "none"]
    measured = hosts[hosts["condition_source"] == "measured"].iloc[0]
    assert measured["psfsize_r"] == pytest.approx(float(widths.psfsize(moffat(63, 4.4), 0.262)), rel=0.03)
    table = hosts[hosts["condition_source"] == "table"]
    # The row nearer in position has no r-band data; of the real models the nearest in width is taken.
    assert table["psfsize_r"].to_numpy() == pytest.approx(1.35, rel=0.04)


def test_a_host_without_psf_or_depth_is_counted_out_but_stays_a_negative(everything):
    rows = everything.rows()
    assert list(rows.loc[rows["pool"] == "N1", "host"]) == [False, False, True, False, False, False, True, True, False]
    ledger = everything.ledger
    assert (ledger.rows_in, ledger.rows_out, ledger.missing) == (9, 3, 0)
    assert ledger.dropped == {
        "no PSF: no star in the stamp": 5,
        "no PSF: no star in the stamp, no conditions nearby": 1,
    }


def test_a_stamp_without_sky_has_no_depth_and_is_no_host(root):
    path = sorted((root / "cutouts/decals_grz").glob("*.fits*"))[0]
    image, header = fits.getdata(path, header=True)
    y, x = np.mgrid[: image.shape[-2], : image.shape[-1]]
    fits.writeto(path, image + 0.2 * (1 + np.sin(x / 5) * np.sin(y / 5)), header, overwrite=True)
    hosts = survey(root, "decals_grz")
    assert hosts.ledger.dropped["no depth: no sky free of light"] == 1
    assert np.isnan(hosts.rows()["psfdepth_r"].iloc[0])


def test_depth_is_that_of_the_noise_the_stamps_were_made_with(everything):
    rows = everything.rows()
    rows = rows[(rows["brickid"] == 1) & rows["host"]]
    assert len(rows) == 1
    for row in rows.itertuples():
        for band in schema.BANDS:
            area = 4 * np.pi * (getattr(row, f"psfsize_{band}") / 2.3548 / 0.262) ** 2
            expected = 22.5 - 2.5 * np.log10(5 * SIGMA[band] * np.sqrt(area))
            assert getattr(row, f"psfdepth_{band}") == pytest.approx(expected, abs=0.12)


def test_conditions_do_not_follow_the_order_of_the_sets(root):
    one = survey(root, "des_hosts", "decals_grz").rows().set_index("galaxy_id")
    other = survey(root, "decals_grz", "des_hosts").rows().set_index("galaxy_id")
    assert one["psfsize_r"].equals(other["psfsize_r"])
    assert one["psfsize_r"].nunique() > 1


@pytest.mark.parametrize("size", [91, 64])
def test_pixels_of_hosts_are_the_g_r_z_planes_about_the_same_centre(root, size):
    hosts = survey(root, "des_hosts")
    rows = hosts.rows()
    read = hosts.read(rows, size)
    with np.load(root / "cutouts/des_hosts/des_hosts.npz") as file:
        start = (91 - size) // 2
        expected = file["image"][[0, 1, 3], :, start : start + size, start : start + size].transpose(1, 0, 2, 3)
    np.testing.assert_array_equal(read["image"], expected)
    peak = np.unravel_index(np.argmax(read["image"].values[0, 1]), (size, size))
    assert peak == (size // 2, size // 2)


@pytest.mark.parametrize("size", [91, 64])
def test_candidates_are_y_x_band_on_disk_and_zeros_are_unobserved(root, size):
    candidates = survey(root, "dr10_lens_candidates")
    read = candidates.read(candidates.rows(), size)
    with np.load(root / "cutouts/dr10_lens_candidates/lens_1.npz") as file:
        start = (101 - size) // 2
        expected = file["cutout"].transpose(2, 0, 1)[:, start : start + size, start : start + size]
    np.testing.assert_array_equal(read["image"][0], expected)
    whole = candidates.read(candidates.rows(), 101)
    assert np.isnan(whole["image"].values[:, :, :4, :4]).all()
    assert (whole["invvar"].values[:, :, :4, :4] == 0).all()
    assert np.isfinite(whole["image"].values).sum() == 2 * 3 * (101**2 - 16)
    assert list(whole["download_timestamp"].values) == ["2026-02-08"] * 2


@pytest.mark.parametrize("size", [91, 64])
def test_viewer_cutouts_keep_their_flux_and_centre_on_the_survey_pixels(root, size):
    stamps = survey(root, "decals_grz")
    read = stamps.read(stamps.rows(), size)
    image = read["image"].values[0]
    # 41 survey pixels are 82 of the file's, whose values are those of a survey pixel each: a quarter of it is theirs.
    values = fits.getdata(root / "cutouts/decals_grz/decals_a.fits.gz")[:, 69:-69, 69:-69]
    for i in range(3):
        patch = image[i, size // 2 - 20 : size // 2 + 21, size // 2 - 20 : size // 2 + 21]
        assert patch.sum() == pytest.approx(values[i].sum() / 4, rel=1e-4)
        core = patch[12:29, 12:29]
        y, x = np.mgrid[-8:9, -8:9]
        assert abs((core * x).sum() / core.sum()) < 0.2
        assert abs((core * y).sum() / core.sum()) < 0.2


def test_inverse_variance_is_that_of_the_noise_before_it_was_correlated(everything):
    read = everything.read(everything.rows(), 91)
    sigma = 1 / np.sqrt(read["invvar"].values[:6].max(axis=(2, 3)))
    np.testing.assert_allclose(sigma, np.broadcast_to([SIGMA[b] for b in "grz"], (6, 3)), rtol=0.12)


def test_psf_images_are_odd_normalised_and_as_wide_as_their_psfsize(everything):
    rows = everything.rows()
    read = everything.read(rows, 64)
    assert read.sizes["psf_y"] % 2 == read.sizes["psf_x"] % 2 == 1
    known = np.isfinite(read["psfsize"].values).all(axis=1)
    psf = read["psf"].values[known].astype(float)
    np.testing.assert_allclose(psf.sum(axis=(2, 3)), 1, atol=1e-5)
    np.testing.assert_allclose(widths.psfsize(psf, 0.262), read["psfsize"].values[known], rtol=1e-4)
    assert np.isnan(read["psf"].values[~known]).all()
    for i, band in enumerate(schema.BANDS):
        np.testing.assert_allclose(read["psfsize"].values[:, i], rows[f"psfsize_{band}"], rtol=1e-6)


def test_reading_some_rows_in_another_order_gives_the_same_pixels(everything):
    rows = everything.rows()
    whole = everything.read(rows, 64)
    some = everything.read(rows.iloc[[8, 2, 10]], 64)
    for name in ("image", "invvar", "psf", "psfsize"):
        np.testing.assert_array_equal(some[name].values, whole[name].values[[8, 2, 10]])


def test_a_stamp_smaller_than_asked_for_fails_with_its_size(everything):
    read = everything.read(everything.rows(), 101)
    failure = read["failure"].values
    assert failure[0] == "stamp too small: it covers 91 px of 0.262 arcsec, 101 are asked for"
    assert np.isnan(read["image"].values[0]).all()
    assert failure[-1] == ""


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("des_lrg", r"'des_lrg' has no z band \(it holds g, r, i; g, r, z are required\) and has stamps of 50 px"),
        ("dr10_piczl", r"stamps of 23 px .* dereddened pixels"),
        ("hsc_cosmos", r"stamps of 48 px .* no known zero point"),
        ("hsc_hst_pair", r"stamps of 50 px .* no known zero point"),
        ("cfhtls", r"has no z band \(it holds g, r, i; .* required\); take it out"),
        ("ps1", r"has no g band .* 49 px .* no known zero point"),
        ("nonesuch", "does not declare; it declares des_hosts"),
    ],
)
def test_sets_that_cannot_serve_are_refused_by_name(tmp_path, name, message):
    with pytest.raises(StampError, match=message):
        StampSurvey(tmp_path, ["des_hosts", name]).check()


def test_no_profile_at_all_is_refused(tmp_path):
    with pytest.raises(StampError, match=r"survey\.profiles is empty"):
        StampSurvey(tmp_path, []).check()


def rewrite(path, **changes):
    with np.load(path) as file:
        held = {name: file[name] for name in file.files}
    np.savez(path, **{name: value for name, value in {**held, **changes}.items() if value is not None})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bands": np.array(list("gizr"))}, "says its bands are g, i, z, r; expected g, r, i, z"),
        ({"pixscale": 0.2}, "says 0.2 arcsec per pixel; expected 0.263"),
        ({"image": np.zeros((4, 91, 91))}, "expected the axes band, object, y, x"),
        ({"image": np.zeros((3, 2, 91, 91))}, "has 3 bands; expected g, r, i, z"),
        ({"image": np.ones((4, 2, 90, 90))}, "even side"),
        ({"image": None}, "no array 'image'"),
    ],
)
def test_a_file_that_is_not_as_its_profile_says_is_refused(root, changes, message):
    rewrite(root / "cutouts/des_hosts/des_hosts.npz", **changes)
    with pytest.raises(StampError, match=message):
        survey(root, "des_hosts").check()


def three_ways(root):
    """The same three bands of a galaxy: in one image, in an HDU each, in a file each."""
    image = galaxy(np.random.default_rng(7), 91, "grz")
    folder = root / "cutouts" / "ways"
    folder.mkdir()
    fits.PrimaryHDU(image).writeto(folder / "cube_a.fits")
    planes = [fits.ImageHDU(plane, name=f"IMG_{band.upper()}") for band, plane in zip("grz", image)]
    fits.HDUList([fits.PrimaryHDU(), *planes]).writeto(folder / "hdus_a.fits")
    for band, plane in zip("grz", image):
        fits.PrimaryHDU(plane).writeto(folder / f"files_a_{band}.fits.gz")
    return image


@pytest.mark.parametrize("way", WAYS)
def test_bands_come_from_one_image_from_hdus_or_from_files_as_declared(root, tmp_path, way):
    image = three_ways(root)
    profiles = declared(
        tmp_path / "p.yaml",
        "des_hosts",
        array=None,
        axes=["band", "y", "x"],
        bands=["g", "r", "z"],
        pixel_scale=0.262,
        **WAYS[way],
    )
    hosts = survey(root, "des_hosts", declared=profiles)
    np.testing.assert_array_equal(hosts.read(hosts.rows(), 91)["image"].values[0], image)


def test_bands_of_several_files_belong_together_or_are_refused(root, tmp_path):
    three_ways(root)
    profiles = declared(
        tmp_path / "p.yaml",
        "des_hosts",
        array=None,
        axes=["band", "y", "x"],
        bands=["g", "r", "z"],
        pixel_scale=0.262,
        **WAYS["files"],
    )
    path = root / "cutouts/ways/files_a_z.fits.gz"
    for make, message in (
        (
            lambda: fits.writeto(path, np.ones((90, 90), "f4"), overwrite=True),
            r"bands have the shapes \(90, 90\), \(91, 91\)",
        ),
        (
            lambda: fits.writeto(path, np.ones((91, 91), "f4"), fits.Header([("BUNIT", "mag")]), overwrite=True),
            "bands are in '', 'mag'",
        ),
        (path.unlink, "files_a_z.fits.gz"),
    ):
        make()
        with pytest.raises(
            StampError, match=rf"profile 'des_hosts': 'cutouts/ways/files_a_g.fits.gz' cannot be read .*{message}"
        ):
            survey(root, "des_hosts", declared=profiles).check()


@pytest.mark.parametrize(
    ("cards", "message"),
    [
        ({"BUNIT": "mag"}, "is in 'mag'; expected 'nanomaggy'"),
        ({"MAGZERO": 30.0}, "has zero point 30.0; expected 22.5"),
        ({"CRPIX1": None}, "has no 'CRPIX1', where its scale and place are read"),
        ({"CRVAL2": None}, "has no 'CRVAL2', where its scale and place are read"),
        ({"CD1_1": None, "CD2_2": None}, r"has no pixel scale .*; expected square pixels, North up, East left"),
    ],
)
def test_a_header_of_another_unit_or_without_scale_or_place_is_refused(root, cards, message):
    path = root / "cutouts/decals_grz/decals_a.fits.gz"
    data, header = fits.getdata(path, header=True)
    for card, value in cards.items():
        if value is None:
            del header[card]
        else:
            header[card] = value
    fits.writeto(path, data, header, overwrite=True)
    with pytest.raises(StampError, match=rf"'cutouts/decals_grz/decals_a.fits.gz' {message}"):
        survey(root, "decals_grz").check()


@pytest.mark.parametrize("value", [np.nan, 0.0])
def test_a_stamp_without_a_number_is_a_failed_row_and_no_host(root, value):
    from lenscal import cutouts
    from lenscal.config import Cutouts, Manifest
    from lenscal.manifest import external

    with np.load(root / "cutouts/des_hosts/des_hosts.npz") as file:
        image = file["image"].copy()
    image[:, 2] = value  # the one with the star
    rewrite(root / "cutouts/des_hosts/des_hosts.npz", image=image)
    hosts = survey(root, "des_hosts")
    rows = hosts.rows()
    assert not rows["host"].any()
    assert rows.loc[2, ["flux_g", "flux_r", "flux_z", "mag_r"]].isna().all()
    made = cutouts.cut(external(rows, Manifest(), 1, {}).table, hosts.read, Cutouts(size=91))
    assert made.failure.values.tolist() == ["", "", "no coverage: no band was observed at the position", "", "", ""]
    assert made.bandset.values.tolist() == ["grz", "grz", "", "grz", "grz", "grz"]


def test_the_noise_of_a_resampled_stamp_is_as_correlated_as_the_overlap_of_its_pixels_says(root):
    """White pixels of 0.18 arcsec on 0.262: the autocorrelation of the output is that of the shares of input pixels."""
    from lenscal.kernels import pixels

    rng, side = np.random.default_rng(3), 140
    for path in (root / "cutouts/decals_grz").glob("*.gz"):
        header = fits.getheader(path)
        header.update(CRPIX1=(side + 1) / 2, CRPIX2=(side + 1) / 2, CD1_1=-0.18 / 3600, CD2_2=0.18 / 3600)
        fits.writeto(path, rng.normal(0, 0.01, (3, side, side)).astype("f4"), header, overwrite=True)
    stamps = survey(root, "decals_grz")
    image = stamps.read(stamps.rows(), 91)["image"].values
    _, _, correlation, lags = pixels.sky_statistics(image, pixels.ring(91, 28, 45))
    share = resampling.overlaps(side, 91, 0.262 / 0.18)
    products = share @ share.T
    along = np.array([np.diag(products, k).mean() for k in range(3)]) / np.diag(products).mean()
    assert along[1] > 0.1
    np.testing.assert_allclose(lags.mean(axis=(0, 1))[:3, 3], along, atol=0.02)
    np.testing.assert_allclose(lags.mean(axis=(0, 1))[0, 3:6], along, atol=0.02)
    assert float(correlation.mean()) == pytest.approx((1 + 2 * along[1:].sum()) ** 2, rel=0.1)


def test_a_truncated_or_missing_file_is_refused_by_name(root):
    path = root / "cutouts/decals_grz/decals_b.fits.gz"
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(StampError, match=r"decals_b.fits.gz' cannot be read"):
        survey(root, "decals_grz").check()
    (root / "cutouts/des_hosts/des_hosts.npz").unlink()
    with pytest.raises(StampError, match=r"no file 'cutouts/des_hosts/des_hosts\.npz'"):
        survey(root, "des_hosts").check()
    with pytest.raises(StampError, match="is no folder"):
        survey(root / "nowhere", "des_hosts").check()


def test_a_cutout_that_is_rotated_or_off_centre_is_refused(root):
    path = root / "cutouts/decals_grz/decals_a.fits.gz"
    for key, value, message in (("CRPIX1", 100.0, "not centred"), ("CD2_2", -3.6e-5, "North up, East left")):
        data, header = fits.getdata(path, header=True)
        header[key] = value
        fits.writeto(root / "cutouts/decals_grz/decals_0.fits.gz", data, header, overwrite=True)
        with pytest.raises(StampError, match=message):
            survey(root, "decals_grz").check()


def test_what_needs_a_kernel_says_so(root):
    with pytest.raises(StampError, match="needs a resample function"):
        StampSurvey(root, ["decals_grz"]).check()
    with pytest.raises(StampError, match="needs a measure"):
        StampSurvey(root, ["des_hosts"]).rows()


def test_a_galaxy_of_another_set_is_refused(root):
    hosts = survey(root, "des_hosts")
    rows = survey(root, "decals_grz").rows()
    with pytest.raises(StampError, match="is no stamp of des_hosts"):
        hosts.read(rows, 64)


def test_declared_profiles_have_distinct_numbers_and_unknown_keys_are_refused(tmp_path):
    raw = yaml.safe_load(DECLARED.read_text())
    assert {name for name in raw if name not in ("conditions", "psf_models")} == set(load_profiles().profiles)
    raw["des_hosts"]["colour"] = "red"
    path = tmp_path / "profiles.yaml"
    path.write_text(json.dumps(raw))
    with pytest.raises(StampError, match="colour"):
        load_profiles(path)
    del raw["des_hosts"]["colour"]
    raw["des_hosts"]["number"] = 2
    path.write_text(json.dumps(raw))
    with pytest.raises(StampError, match="same number"):
        load_profiles(path)


def test_a_zero_point_scales_the_pixels(root, tmp_path):
    raw = yaml.safe_load(DECLARED.read_text())
    raw["des_hosts"]["zeropoint"] = 25.0
    path = tmp_path / "profiles.yaml"
    path.write_text(json.dumps(raw))
    plain, scaled = survey(root, "des_hosts"), survey(root, "des_hosts", declared=path)
    rows = plain.rows()
    np.testing.assert_allclose(scaled.read(rows, 64)["image"], plain.read(rows, 64)["image"] * 0.1, rtol=1e-6)
    assert Profile.model_validate({"name": "des_hosts", **raw["des_hosts"]}).refusal is None


# --- rows without a place, many stamps in one file, zeros that are values


CONDITIONS = "ra_center_deg,dec_center_deg,median_psf_r_arcsec\n10.0,1.3,1.35\n203.0,1.0,1.1\n"


@pytest.mark.parametrize(
    "row",
    [
        ",,2.9",
        "10.2,,2.9",
        ",1.0,2.9",
        "10.1,1.1,",
        "10.1,1.1,-1",
        "10.1,1.1,inf",
        "10.1,95,2.9",
        "999,1.0,2.9",
        "none,none,2.9",
        "nan,1.0,2.9",
    ],
)
def test_a_row_of_the_conditions_that_has_no_place_or_no_seeing_changes_no_stamp(root, row):
    path = root / "conditions" / "dr10_region_conditions.csv.gz"
    found = []
    for table in (CONDITIONS, CONDITIONS + row + "\n"):
        path.write_bytes(gzip.compress(table.encode()))
        rows = survey(root, "decals_grz").rows()
        found.append(list(zip(rows["condition_source"], rows["psfsize_r"].round(4).fillna(-1))))
    assert found[0] == found[1]
    assert {source for source, _ in found[0]} == {"table", "none"}


def test_conditions_without_one_row_of_use_are_refused(root):
    (root / "conditions" / "dr10_region_conditions.csv.gz").write_bytes(
        gzip.compress(CONDITIONS.splitlines()[0].encode() + b"\n,,1.2\n")
    )
    with pytest.raises(StampError, match="has no row with a position and a seeing in r"):
        survey(root, "decals_grz").check()


RA, DEC, TYPES = [10.0, 20.0, 30.0], [1.0, 2.0, 3.0], ["SER", "REX", "DEV"]


def many(root, folder, count=3, **keys):
    """A set of several stamps in one NPZ, with keys of its own."""
    images = np.stack([galaxy(np.random.default_rng(i), 91, "grz") for i in range(count)])
    (root / "cutouts/set").mkdir(parents=True, exist_ok=True)
    np.savez(root / "cutouts/set/many.npz", image=images, **keys)
    changes = {
        "files": "cutouts/set/*.npz",
        "axes": ["object", "band", "y", "x"],
        "bands": ["g", "r", "z"],
        "pixel_scale": 0.262,
    }
    return survey(
        root,
        "des_hosts",
        declared=declared(
            folder / "p.yaml",
            "des_hosts",
            **changes,
            position={"ra": "ra", "dec": "dec"},
            fields={"type": "source_type"},
        ),
    )


@pytest.mark.parametrize(
    "kind", [list, np.array, lambda v: np.array(v, object) if isinstance(v[0], str) else np.array(v, "f4")]
)
def test_each_stamp_of_a_file_has_its_own_position_and_fields(root, tmp_path, kind):
    if kind not in (list, np.array):
        kind = lambda v: np.array(v, "U5") if isinstance(v[0], str) else np.array(v, "f4")  # noqa: E731
    rows = many(root, tmp_path, ra=kind(RA), dec=kind(DEC), source_type=kind(TYPES)).rows()
    assert rows["ra"].tolist() == RA
    assert rows["dec"].tolist() == DEC
    assert rows["type"].astype(str).tolist() == TYPES


def test_one_value_for_all_and_one_stamp_with_a_list_of_one_are_read(root, tmp_path):
    rows = many(root, tmp_path, ra=RA, dec=DEC, source_type="ser").rows()
    assert rows["type"].astype(str).tolist() == ["SER"] * 3
    rows = many(root, tmp_path, count=1, ra=RA[:1], dec=np.array([[1.0]]), source_type=TYPES[:1]).rows()
    assert (rows["ra"].tolist(), rows["dec"].tolist(), rows["type"].astype(str).tolist()) == (RA[:1], [1.0], ["SER"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ra": RA[:2]}, r"has 3 stamp\(s\), and its key 'ra' the shape \(2,\)"),
        ({"source_type": TYPES * 2}, r"its key 'source_type' the shape \(6,\)"),
        ({"ra": np.zeros((3, 2))}, r"its key 'ra' the shape \(3, 2\)"),
        ({"dec": ["a", "b", "c"]}, "has a position that is no number"),
        ({"ra": [10.0, 20.0, 999.0]}, "has a stamp at ra 999, dec 3, which is no place on the sky"),
        ({"dec": [1.0, -99.0, 3.0]}, "which is no place on the sky"),
    ],
)
def test_keys_that_do_not_fit_the_stamps_are_refused_by_name(root, tmp_path, changes, message):
    stamps = many(root, tmp_path, **({"ra": RA, "dec": DEC, "source_type": TYPES} | changes))
    with pytest.raises(StampError, match=message):
        stamps.check()


@pytest.mark.parametrize(
    "more",
    [
        {"meta": np.array({"a": 1}, dtype=object)},
        {"meta_url": np.array(None, dtype=object)},
        {"other": np.array([1, "a", None], dtype=object)},
    ],
)
def test_a_key_that_nobody_uses_does_no_harm(root, tmp_path, more):
    assert len(many(root, tmp_path, ra=RA, dec=DEC, source_type=TYPES, **more).rows()) == 3


@pytest.mark.parametrize(
    ("bands", "right"),
    [
        ("grz", True),
        (["g", "r", "z"], True),
        (np.array("grz"), True),
        ("g,r,z", True),
        ("gzr", False),
        (["z", "r", "g"], False),
        ("gr", False),
    ],
)
def test_bands_are_read_as_a_word_or_one_by_one(root, tmp_path, bands, right):
    stamps = many(root, tmp_path, ra=RA, dec=DEC, source_type=TYPES, bands=bands)
    if right:
        stamps.check()
    else:
        with pytest.raises(StampError, match=r"says its bands are .*; expected g, r, z"):
            stamps.check()


@pytest.mark.parametrize("card", ["FILTER", "EXTNAME"])
def test_planes_that_say_another_band_are_refused(root, tmp_path, card):
    three_ways(root)
    profiles = declared(
        tmp_path / "p.yaml",
        "des_hosts",
        array=None,
        axes=["band", "y", "x"],
        bands=["g", "r", "z"],
        pixel_scale=0.262,
        **WAYS["files"],
    )
    words = {"FILTER": ("g DECam SDSS c0001", "r", "zd DECam k1038"), "EXTNAME": ("IMAGE_g", "IMAGE-r", "Z")}[card]
    for bands, right in (("grz", True), ("zrg", False)):
        for word, band in zip(words, bands):
            fits.setval(root / f"cutouts/ways/files_a_{band}.fits.gz", card, value=word)
        if right:
            survey(root, "des_hosts", declared=profiles).check()
        else:
            with pytest.raises(StampError, match="says its bands are z, r, g; expected g, r, z"):
                survey(root, "des_hosts", declared=profiles).check()


@pytest.mark.parametrize("kind", ["compressed with astropy's defaults", "whole steps", "as drawn"])
def test_zeros_among_observed_pixels_are_values_and_the_stamp_keeps_its_noise(root, kind):
    path = root / "cutouts/des_hosts/des_hosts.npz"
    with np.load(path) as file:
        image = file["image"].copy()
    plain = survey(root, "des_hosts").rows()
    if kind == "whole steps":  # as scaled integers of 16 bits have it: a tenth of the sky at zero
        step = np.array([SIGMA[b] for b in "griz"])[:, None, None, None] / 4
        image = np.round(image / step) * step
    elif kind.startswith("compressed"):
        sky = np.abs(image) < 3 * np.array([SIGMA[b] for b in "griz"])[:, None, None, None]
        image[sky & (np.random.default_rng(3).random(image.shape) < 0.03)] = 0
    image[:, 1, :, :30] = 0  # one stamp misses a third of its width
    image[0, 3, :2, :] = 0  # and another two rows of g
    share = (image[:, 4] == 0).mean()
    assert share > 0.02 or kind == "as drawn"
    rewrite(path, image=image)
    stamps = survey(root, "des_hosts")
    read = stamps.read(stamps.rows(), 91)["image"].values
    assert np.isnan(read[1, :, :, :30]).all()
    assert np.isnan(read[3, 0, :2]).all()
    assert np.isnan(read[4]).sum() <= 3
    assert np.isfinite(read[1, :, :, 33:]).mean() > 0.999
    rows = stamps.rows()
    assert rows["host"].tolist()[2] == plain["host"].tolist()[2]
    assert abs(rows["psfdepth_r"][2] - plain["psfdepth_r"][2]) < 0.1
