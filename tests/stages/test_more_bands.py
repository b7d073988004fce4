"""A run may have i beside g, r, z: its magnitudes, pixels and PSF are those of i, and g, r, z stay what they were."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from brick_files import CENTRES, header, planes, sky, write, write_brick
from four_bands import hosts as four_bands
from four_bands import psf
from injection_hosts import make_hosts, parameters, settings
from pydantic import ValidationError
from stamp_files import galaxy
from viewer import serving
from viewer import sky as viewer_sky

import lenscal
from lenscal import config, cutouts, injections, schema
from lenscal.audit.foreseen import detecting
from lenscal.errors import InputError
from lenscal.experiments import views
from lenscal.injections import bands
from lenscal.injections.rendering import render
from lenscal.io.survey import CoaddSurvey, PixelError, ServiceSurvey
from lenscal.io.survey.bricks import BrickFiles
from lenscal.io.survey.stamps import StampError, StampSurvey
from lenscal.kernels import magnitudes, resampling, widths

GRIZ = ("g", "r", "i", "z")


# what may be asked for


@pytest.mark.parametrize(
    ("survey", "message"),
    [
        ({"bands": ["g", "r", "y", "z"]}, "names 'y'; known are g, r, i, z"),
        ({"bands": ["g", "r", "i"]}, "lacks z"),
        ({"bands": ["g", "g", "r", "z"]}, "names 'g' twice"),
        ({"bands": ["i", "g", "r", "z"]}, r"by wavelength; write \[g, r, i, z\]"),
        ({"bands": list(GRIZ), "layout": "dr11", "region": "north"}, "asks for i, and the north of DR11"),
        ({"bands": list(GRIZ), "layout": "dr9", "region": "south"}, "asks for i, and the south of DR9"),
        ({"bands": list(GRIZ), "layer": "ls-dr9-north"}, "asks for i, and the north of DR9"),
    ],
)
def test_bands_that_cannot_be_had_are_refused_by_name(survey, message):
    with pytest.raises(ValidationError, match=message):
        config.Survey(root="sky", **survey)


def test_the_usual_bands_leave_every_address_as_it_was():
    assert "bands" not in config.Survey(root="sky").content()
    assert "bands" not in config.Survey(root="sky", bands=["g", "r", "z"]).content()
    assert config.Survey(root="sky", bands=list(GRIZ)).content()["bands"] == list(GRIZ)


def run_file(**changes):
    raw = {
        "name": "bands",
        "seed": 1,
        "stores": "stores",
        "survey": {"root": "sky", "bands": list(GRIZ)},
        "objects": {"lenses": []},
    }
    return config.Settings.model_validate({**raw, **changes})


def test_bands_of_other_sections_are_those_of_the_survey():
    assert run_file(detector={"bands": list(GRIZ)}).detector.bands == list(GRIZ)
    assert run_file().detector.bands == ["g", "r", "z"]
    usual = {"root": "sky"}
    with pytest.raises(ValidationError, match=r"detector.bands names \['i'\].*ask for i in survey.bands"):
        run_file(survey=usual, detector={"bands": list(GRIZ)})
    with pytest.raises(ValidationError, match=r"injections\.gain names the bands"):
        run_file(injections={"gain": dict.fromkeys("grz", 2e4)})
    with pytest.raises(ValidationError, match=r"injections\.gain names the bands"):
        run_file(survey=usual, injections={"gain": dict.fromkeys("griz", 2e4)})
    with pytest.raises(ValidationError, match=r"completeness\.axes names lensed_mag_i"):
        run_file(survey=usual, completeness={"axes": {"lensed_mag_i": [18, 20, 24]}})
    assert run_file(completeness={"axes": {"lensed_mag_i": [18, 20, 24]}}).completeness.axes


@pytest.mark.parametrize(
    ("wanted", "held", "refused"),
    [
        ("grz", "griz", False),
        ("griz", "griz", False),
        ("griz", "grz", True),
        ("gi", "grz", True),
        ("zr", "griz", False),
    ],
)
def test_a_detector_fits_where_its_bands_are_there(wanted, held, refused):
    class Found:
        size, bands = 64, tuple(wanted)

    if not refused:
        detecting.fits(Found(), 64, list(held))
        return
    with pytest.raises(InputError, match=r"\['i'\] missing: ask for them \(survey.bands\)"):
        detecting.fits(Found(), 64, list(held))


# the magnitude of a source


def test_i_lies_on_the_power_law_between_r_and_z():
    wavelength = magnitudes.WAVELENGTHS
    for slope in (-2.0, 0.0, 1.5):
        flux = {band: (nm / 500.0) ** slope for band, nm in wavelength.items()}
        r, i, z = (22.5 - 2.5 * np.log10(flux[band]) for band in "riz")
        assert magnitudes.i_between(r, z) == pytest.approx(i, abs=1e-12)


def test_a_source_in_i_shifts_no_draw_of_the_others():
    table = injections.assign_hosts(make_hosts(), settings(), 1)[0]
    usual = injections.draw(1.2, 23.5, table, settings(), 1)
    more = injections.draw(1.2, 23.5, table, settings(), 1, None, GRIZ)
    xr.testing.assert_identical(more.drop_vars("source_mag_i"), usual)
    r, i, z = (more[f"source_mag_{band}"].values for band in "riz")
    np.testing.assert_allclose(i, r + magnitudes.I_SHARE * (z - r))
    again = injections.redraw(more, settings(), 1)
    np.testing.assert_array_equal(again["source_mag_i"], more["source_mag_i"])
    assert "source_mag_i" not in injections.redraw(usual, settings(), 1)


# pixels of arcs


def test_an_arc_in_i_has_the_flux_of_its_magnitude_and_the_psf_of_i():
    usual = parameters()
    table = pd.DataFrame(bands.in_bands(dict(usual), GRIZ))
    for given in (None, psf("griz")):
        images = render(table, given)
        assert images["band"].values.tolist() == list(GRIZ)
        bare = render(usual, given if given is None else given.sel(band=["g", "r", "z"]))
        np.testing.assert_array_equal(images.sel(band=["g", "r", "z"]), bare)
        flux = images.sum(("y", "x"))
        expected = 10 ** (-0.4 * (table["mag_i"] - table["mag_r"]))
        np.testing.assert_allclose(flux.sel(band="i") / flux.sel(band="r"), expected, rtol=2e-3)
    narrow = render(table, psf("griz").copy(data=np.stack([psf("r").values[0]] * 4)))
    assert (narrow.sel(band="i").max(("y", "x")) > images.sel(band="i").max(("y", "x"))).all()


def test_an_arc_in_i_wants_a_psf_of_i():
    table = pd.DataFrame(bands.in_bands(dict(parameters()), GRIZ))
    with pytest.raises(InputError, match=r"psf has bands \['g', 'r', 'z'\], not \['g', 'r', 'i', 'z'\]"):
        render(table, psf("grz"))


def test_injections_in_i_leave_the_pixels_of_the_others_bit_for_bit():
    usual = make_hosts()
    hosts = four_bands(usual)
    table = injections.assign_hosts(usual, settings(), 1)[0]
    chosen = settings(keep_images=True)
    three = injections.inject(injections.draw(1.2, 23.5, table, chosen, 1), usual, chosen, 1)
    four = injections.inject(injections.draw(1.2, 23.5, table, chosen, 1, None, GRIZ), hosts, chosen, 1)
    assert four["band"].values.tolist() == list(GRIZ)
    for name in ("image", "lensed_mag", "gain", "psf_width_ratio", "depth_offset", "arc_snr", "annulus_snr"):
        kept = four[name].sel(band=["g", "r", "z"]) if "band" in four[name].dims else four[name]
        np.testing.assert_array_equal(kept, three[name])
    expected = four["source_mag_i"] - 2.5 * np.log10(four["magnification"])
    assert float(np.abs(four["lensed_mag"].sel(band="i") - expected).max()) < 0.05
    quiet = chosen.model_copy(update={"shot_noise": False})
    drawn = injections.draw(1.2, 23.5, table, quiet, 1, None, GRIZ)
    images = injections.images(drawn, hosts, quiet, 1)
    ids = drawn["galaxy_id"].values.ravel()
    row = pd.Index(hosts["galaxy_id"].values).get_indexer(ids)
    host = lenscal.crop(hosts["image"].transpose("galaxy", "band", "y", "x").values, 64)[row]
    flux = (images - host)[:, 2].sum((1, 2))
    np.testing.assert_allclose(22.5 - 2.5 * np.log10(flux), expected.values.ravel(), atol=0.06)


def test_trials_without_i_have_no_host_in_i():
    table = injections.assign_hosts(make_hosts(), settings(), 1)[0]
    drawn = injections.draw(1.2, 23.5, table, settings(), 1)
    with pytest.raises(InputError, match="trials lack source_mag_i"):
        injections.images(drawn, four_bands(make_hosts()), settings(), 1)


# pixels of the survey


def with_i(folder, name="1500p000", number=1):
    image, invvar, _ = planes(90 + number)
    cards = header(*CENTRES[name])
    write(folder / f"legacysurvey-{name}-image-i.fits.fz", image, cards, "nanomaggy")
    write(folder / f"legacysurvey-{name}-invvar-i.fits.fz", invvar, cards, "1/nanomaggy^2")
    write(folder / f"legacysurvey-{name}-psfsize-i.fits.fz", np.full(image.shape, 0.97, "f4"), cards, "arcsec")
    return image


def test_a_brick_gives_the_pixels_and_the_seeing_of_i(tmp_path):
    write_brick(tmp_path, "1500p000", 1, header(*CENTRES["1500p000"]))
    image = with_i(tmp_path)
    place = [np.array([value]) for value in sky(130, 140)]
    found = BrickFiles(tmp_path, "1500p000", bands=GRIZ).read(*place, 21)
    np.testing.assert_array_equal(found["image"][0, 2], image[130:151, 120:141])
    assert found["psfsize"][0, 2] == np.float32(0.97)
    usual = BrickFiles(tmp_path, "1500p000").read(*place, 21)
    np.testing.assert_array_equal(found["image"][:, [0, 1, 3]], usual["image"])
    (tmp_path / "legacysurvey-1500p000-image-i.fits.fz").unlink()
    with pytest.raises(PixelError, match=r"band i: file .* is missing; g, r, i, z are all required"):
        BrickFiles(tmp_path, "1500p000", bands=GRIZ).read(*place, 21)


def test_a_survey_without_i_says_so_before_any_work(tmp_path):
    from astropy.table import Table

    write_brick(tmp_path / "south/coadd/150/1500p000", "1500p000", 1, header(*CENTRES["1500p000"]))
    Table({"BRICKNAME": ["1500p000"], "RA": [150.0], "DEC": [0.0]}).write(tmp_path / "survey-bricks.fits.gz")
    assert CoaddSurvey(tmp_path, "ls-dr10-south").check()
    with pytest.raises(ValueError, match=r"band i: file .* is missing"):
        CoaddSurvey(tmp_path, "ls-dr10-south", bands=GRIZ).check()


def stamps(tmp_path, held, **more):
    rng = np.random.default_rng(3)
    np.savez(tmp_path / "mine.npz", image=np.stack([galaxy(rng, 91, held, star=True) for _ in range(3)]))
    mine = {"files": "mine.npz", "bands": list(held), "centre": "middle", "psf": {"psfsize": 1.3}, "depth": 23.5}
    return {"mine": mine | more}


def read_in(tmp_path, bands, sets):
    return StampSurvey(tmp_path, [], resampling.resample, widths, sets=sets, bands=bands)


def test_stamps_are_read_in_the_bands_of_the_run(tmp_path):
    sets = stamps(tmp_path, "griz", depth={"g": 24.0, "r": 23.5, "i": 23.1, "z": 22.5})
    survey = read_in(tmp_path, GRIZ, sets)
    rows = survey.rows()
    np.testing.assert_allclose(rows["psfdepth_i"], 23.1, rtol=1e-6)
    assert np.isfinite(rows[["flux_i", "mag_i", "psfsize_i"]]).all(axis=None)
    cut = cutouts.cut(rows.assign(**missing(rows)), survey.read, config.Cutouts(size=64), GRIZ)
    usual = read_in(tmp_path, schema.BANDS, sets)
    three = cutouts.cut(usual.rows().pipe(lambda t: t.assign(**missing(t))), usual.read, config.Cutouts(size=64))
    assert cut["band"].values.tolist() == list(GRIZ)
    np.testing.assert_array_equal(cut["image"].sel(band=["g", "r", "z"]), three["image"])
    assert "flux_i" not in usual.rows()


def missing(rows):
    """Columns of galaxies that stamps do not fill."""
    return {
        name: "" if v.dtype == "str" else np.zeros(len(rows), v.dtype)
        for name, v in schema.GALAXY_COORDS.items()
        if name not in rows
    }


@pytest.mark.parametrize(
    ("held", "more", "message"),
    [
        ("grz", {}, r"has no i band \(it holds g, r, z; g, r, i, z are required\)"),
        ("griz", {"depth": {"g": 24.0, "r": 23.5, "z": 22.5}}, "has no depth in i"),
        ("griz", {"psf": {"model": {"g": "a", "r": "b", "z": "c"}}}, r"has no psf\.model in i"),
        ("griz", {"psf": "table"}, "has no PSF models in i"),
    ],
)
def test_stamps_without_i_are_refused_by_name(tmp_path, held, more, message):
    with pytest.raises(StampError, match=message):
        read_in(tmp_path, GRIZ, stamps(tmp_path, held, **more)).check()


# stamps of one's own


def test_own_stamps_may_have_four_bands():
    rng = np.random.default_rng(5)
    four = np.stack([galaxy(rng, 101, "griz") for _ in range(2)])
    table = lenscal.stamp_quality(four)
    three = lenscal.stamp_quality(four[:, [0, 1, 3]])
    assert {"sigma_i", "noise_correlation_i"} <= set(table)
    for name in ("sigma_g", "sigma_r", "sigma_z", "core_brightness_r"):
        np.testing.assert_array_equal(table[name], three[name])
    with pytest.raises(InputError, match="or 4: g, r, i, z"):
        lenscal.stamp_quality(four[:, :2])


def test_own_stamps_of_four_bands_are_compared_in_each_of_them():
    rng = np.random.default_rng(6)
    first, second = (np.stack([galaxy(rng, 101, "griz") for _ in range(9)]) for _ in range(2))
    chosen = config.Realism(anchors_min=8, splits=100)
    four = lenscal.compare_stamps(first, second, settings=chosen)
    three = lenscal.compare_stamps(first[:, [0, 1, 3]], second[:, [0, 1, 3]], settings=chosen)
    assert four.noise["band"].tolist() == list(GRIZ)
    kept = four.noise[four.noise["band"] != "i"].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept.drop(columns="D_halves_95"), three.noise.drop(columns="D_halves_95"))
    pd.testing.assert_frame_equal(four.first[["snr_g", "snr_r", "snr_z"]], three.first[["snr_g", "snr_r", "snr_z"]])
    assert np.isfinite(four.first["snr_i"]).all()
    with pytest.raises(InputError, match="the first stamps have 4 bands, the second 3"):
        lenscal.compare_stamps(first, second[:, [0, 1, 3]], settings=chosen)


# views of experiments


def views_of(bands):
    rng = np.random.default_rng(8)
    host = np.stack([galaxy(rng, 65, "griz") for _ in range(2)])
    lags = np.broadcast_to(np.where(np.arange(28).reshape(4, 7) == 3, 1.0, 0.0), (2, 4, 4, 7))
    sigma = np.full((2, 4), 0.005)
    own = ["griz".index(band) for band in bands]
    colours = np.array([[1.4, 0.8], [1.1, 0.6]])
    return views.Views(
        host[:, own] + 0.01,
        host[:, own],
        np.zeros((2, len(own), 65, 65)),
        sigma[:, own],
        lags[:, own],
        np.full((2, len(own)), 1.3),
        colours,
        np.array([11, 12]),
        0.262,
    )


def test_the_blank_sky_of_z_is_the_same_with_i_and_without():
    four, three = (views.blank_sky(views_of(bands), seed=1) for bands in ("griz", "grz"))
    np.testing.assert_array_equal(four[:, [0, 1, 3]], three)
    assert not np.array_equal(four[:, 2], four[:, 3])


def test_a_recoloured_host_changes_in_i_as_between_r_and_z():
    four, three = views_of("griz"), views_of("grz")
    wanted = np.array([1.0, 0.2])
    new = views.recoloured(four, four.host, wanted)
    np.testing.assert_allclose(new[:, [0, 1, 3]], views.recoloured(three, three.host, wanted))
    factor = 10 ** (-0.4 * magnitudes.i_between(0.0, -(wanted[1] - four.colours[:, 1])))
    np.testing.assert_allclose(
        new[:, 2], four.host[:, 2] + (factor - 1)[:, None, None] * four.host_model[:, 2], rtol=1e-6, atol=1e-9
    )


# pixels of the service


def test_the_service_is_asked_for_i_and_held_to_it():
    def four(ra, dec, size):
        image, invvar, bits = viewer_sky(ra, dec, size)
        return np.insert(image, 2, image[1] * 2, axis=0), np.insert(invvar, 2, invvar[1], axis=0), bits

    rows = pd.DataFrame({"galaxy_id": [7], "ra": [150.0], "dec": [2.0], "brickname": ["1500p020"]})
    with serving() as viewer:
        service = config.Service(url=viewer.address, requests_per_second=1000, attempts=2, backoff_seconds=0.01)
        survey = ServiceSurvey(service, "ls-dr10-south", "/nowhere", bands=GRIZ)
        viewer.source, viewer.always = four, {"bands": "griz"}
        found = survey.read(rows, 21)
        assert "bands=griz" in viewer.asked[-1][1]
        np.testing.assert_array_equal(found["image"].sel(band="i"), 2 * found["image"].sel(band="r"))
        viewer.source, viewer.always = viewer_sky, {"bands": "grz"}
        with pytest.raises(PixelError, match="not"):
            survey.read(rows, 21)
