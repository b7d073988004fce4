"""Injections follow their prior, sit in hosts of their own conditions, render again bit for bit,
and refuse what is wrong.
"""

import inspect
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from injection_hosts import GRID, LAGS, SIGMA, galaxy_stamp, make_hosts, moffats, parameters, settings

from lenscal import gates, injections, schema
from lenscal.injections import host_pixels, numbering, physics, prior_sets, priors, refusing, rendering, trials
from lenscal.injections.rendering import render
from lenscal.kernels import imaging, light, noise

SUM = 2.0


@pytest.fixture(scope="module")
def hosts():
    return make_hosts()


@pytest.fixture(scope="module")
def table(hosts):
    return injections.assign_hosts(hosts, settings(), 1)[0]


@pytest.fixture(scope="module")
def drawn(table):
    return injections.draw(1.2, 23.5, table, settings(), 1)


def psf(width=1.2, count=None):
    image = np.stack(
        [light.moffat(light.moffat_fwhm(w, 2.5), 2.5, 31, 0.262) for w in (width * 1.06, width, width * 0.93)]
    )
    dims = ("band", "psf_y", "psf_x")
    if count:
        return xr.DataArray(np.stack([image] * count), dims=("injection", *dims), attrs={"includes_pixel": True})
    return xr.DataArray(image, dims=dims, attrs={"includes_pixel": True})


# render


def test_an_image_is_the_same_bits_whatever_the_other_rows_are():
    table = parameters()
    whole = render(table, psf(), shape=(64, 64)).values
    np.testing.assert_array_equal(render(table, psf(), shape=(64, 64)).values, whole)
    np.testing.assert_array_equal(render(table[::-1], psf(), shape=(64, 64)).values[::-1], whole)
    np.testing.assert_array_equal(render(table[3:4], psf(), shape=(64, 64)).values[0], whole[3])
    np.testing.assert_array_equal(render(table, psf(count=6), shape=(64, 64)).values, whole)


def test_threads_render_the_bits_of_one(drawn, hosts):
    table = parameters(12)
    whole, made = render(table, psf(), shape=(64, 64)).values, injections.images(drawn, hosts, settings(), 1)
    with ThreadPoolExecutor(4) as pool:
        parts = pool.map(lambda start: render(table[start : start + 3], psf(), shape=(64, 64)).values, [0, 3, 6, 9] * 3)
        again = pool.map(lambda _: injections.images(drawn, hosts, settings(), 1), range(4))
        for k, part in enumerate(parts):
            np.testing.assert_array_equal(part, whole[3 * (k % 4) : 3 * (k % 4) + 3])
        for images in again:
            np.testing.assert_array_equal(images, made)


def test_a_dataset_renders_as_its_table():
    table = parameters()
    dataset = xr.Dataset({name: ("injection", table[name]) for name in table})
    np.testing.assert_array_equal(render(dataset, shape=(33, 33)), render(table, shape=(33, 33)))


@pytest.mark.parametrize(
    ("shape", "scale"), [((101, 101), 0.262), ((60, 81), 0.262), ((45, 45), 0.5), ((15, 21), 0.262)]
)
def test_shape_and_pixel_scale_are_those_asked_for_and_flux_follows_the_sky(shape, scale):
    table = parameters(2)
    table[["theta_e", "source_x", "source_y"]] = [0.5, 0.2, 0.1]
    image = render(table, psf(), shape=shape, pixel_scale=scale)
    assert image.dims == ("injection", "band", "y", "x")
    assert image.shape == (2, 3, *shape)
    assert image.attrs["units"] == "nanomaggy"
    assert image["band"].values.tolist() == ["g", "r", "z"]
    bare = render(table, shape=shape, pixel_scale=scale).sum(("y", "x"))
    # Pixels twice as wide hold four times the light of the same surface brightness.
    half = render(table, shape=(2 * shape[0], 2 * shape[1]), pixel_scale=scale / 2).sum(("y", "x"))
    np.testing.assert_allclose(bare, half, rtol=2e-3)


def test_render_is_public_with_the_defaults_of_the_survey():
    import inspect

    import lenscal

    signature = inspect.signature(lenscal.render)
    assert {name: p.default for name, p in signature.parameters.items() if name != "parameters"} == {
        "psf": None,
        "shape": (101, 101),
        "pixel_scale": 0.262,
    }
    assert [p.kind.name for p in signature.parameters.values()] == ["POSITIONAL_OR_KEYWORD"] * 2 + ["KEYWORD_ONLY"] * 2


def test_lensed_flux_is_magnification_times_source_flux():
    table = parameters()
    values = {name: table[name].to_numpy() for name in table}
    mu = rendering.magnification(values, rendering.sources.smooth(values, 0.262))
    image = render(table, shape=(151, 151))
    for b, band in enumerate(schema.BANDS):
        flux = 10 ** (-0.4 * (table[f"mag_{band}"].to_numpy() - 22.5))
        np.testing.assert_allclose(image[:, b].sum(("y", "x")), mu * flux, rtol=1e-3)


def test_bands_differ_by_flux_only_without_a_psf():
    table = parameters()
    image = render(table).values.astype(float)
    ratio = 10 ** (-0.4 * (table["mag_g"] - table["mag_r"])).to_numpy()
    np.testing.assert_allclose(image[:, 0], image[:, 1] * ratio[:, None, None], rtol=1e-6)


def test_odd_and_even_shapes_are_centred_on_the_same_point():
    table = parameters(2)
    table[["theta_e", "source_x", "source_y", "lens_x", "lens_y", "gamma1", "gamma2"]] = [1.0, 0, 0, 0, 0, 0, 0]
    table["source_q"] = table["q"] = 1.0
    for shape in ((61, 61), (60, 60), (61, 60)):
        image = render(table, psf(), shape=shape).values
        np.testing.assert_allclose(image, image[..., ::-1, :], rtol=0, atol=1e-3 * image.max())
        np.testing.assert_allclose(image, image[..., :, ::-1], rtol=0, atol=1e-3 * image.max())


def test_an_optical_psf_blurs_more_than_the_same_image_that_holds_the_pixel():
    table, sharp = parameters(1), psf()
    optical = sharp.assign_attrs(includes_pixel=False)
    a, b = render(table, sharp, shape=(61, 61)), render(table, optical, shape=(61, 61))
    assert float(b.max()) < float(a.max())
    assert float(b.sum()) == pytest.approx(float(a.sum()), rel=1e-3)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("theta_e", 0.0),
        ("q", 1.2),
        ("q", np.nan),
        ("r_e", -0.1),
        ("source_q", 0.0),
        ("n", np.inf),
        ("mag_r", np.nan),
        ("mag_z", -99.0),
    ],
)
def test_a_bad_parameter_is_refused_with_the_name_of_its_injection(name, value):
    table = parameters().set_index(pd.Index(list("abcdef")))
    table.loc["d", name] = value
    with pytest.raises(ValueError, match=f"injection d: {name} is"):
        render(table, shape=(33, 33))


def test_a_bad_psf_is_refused_with_the_name_of_its_injection():
    broken = psf(count=6)
    broken.values[4, 1, 0, 0] = np.nan
    with pytest.raises(ValueError, match="injection 4, band r: the PSF holds NaN"):
        render(parameters(), broken, shape=(33, 33))
    with pytest.raises(ValueError, match=r"band g: the PSF sums to 0\.5"):
        render(parameters(), (psf() * 0.5).assign_attrs(includes_pixel=True), shape=(33, 33))
    aside = psf(count=6)
    aside.values[3, 2] = np.roll(aside.values[3, 2], 2, axis=1)
    with pytest.raises(ValueError, match="injection 3, band z: the PSF has its star on x "):
        render(parameters(), aside, shape=(33, 33))
    with pytest.raises(ValueError, match="includes_pixel"):
        render(parameters(), psf().drop_attrs(), shape=(33, 33))
    with pytest.raises(ValueError, match="odd"):
        render(parameters(), psf()[..., 1:], shape=(33, 33))


def test_bands_and_injections_of_a_psf_are_taken_by_name():
    table = parameters().set_index(pd.Index(list("abcdef")))
    widths = np.linspace(0.9, 1.6, 6)
    each = [psf(width) for width in widths]
    named = xr.concat(each, "injection").assign_coords(band=["g", "r", "z"], injection=list("abcdef"))
    want = render(table, named.drop_vars(["band", "injection"]), shape=(33, 33)).values
    np.testing.assert_array_equal(want[4], render(table[4:5], each[4], shape=(33, 33)).values[0])
    np.testing.assert_array_equal(render(table, named, shape=(33, 33)).values, want)
    turned = named.isel(band=[2, 0, 1], injection=[3, 5, 0, 1, 4, 2]).transpose("psf_x", "band", "injection", "psf_y")
    np.testing.assert_array_equal(render(table, turned, shape=(33, 33)).values, want)
    more = xr.concat([named, named.isel(band=[1]).assign_coords(band=["i"])], "band").isel(band=[0, 1, 3, 2])
    np.testing.assert_array_equal(render(table, more, shape=(33, 33)).values, want)
    np.testing.assert_array_equal(
        render(table.reset_index(drop=True), named, shape=(33, 33)).values, want
    )  # injections that are only numbered
    for wrong in (named.isel(band=[0, 1, 1]), named.assign_coords(band=["g", "r", "i"])):
        with pytest.raises(ValueError, match=r"not \['g', 'r', 'z'\]"):
            render(table, wrong, shape=(33, 33))
    with pytest.raises(ValueError, match="injection d has no PSF of its own"):
        render(table, named.assign_coords(injection=list("abcxef")), shape=(33, 33))
    with pytest.raises(ValueError, match="5 PSFs for 6 injections"):
        render(table, named[:5], shape=(33, 33))


def test_an_image_of_a_thousand_pixels_a_side_holds_the_stamp_in_its_middle():
    table = parameters(1)
    small, large = render(table, shape=(101, 101)).values, render(table, shape=(1001, 901)).values
    np.testing.assert_allclose(large[..., 450:551, 400:501], small, rtol=0, atol=2e-5 * small.max())
    assert np.isfinite(large).all()


def test_no_rows_render_to_no_images():
    for kernel in (None, psf(), psf(count=1)[:0]):
        image = render(parameters()[:0], kernel, shape=(33, 35))
        assert image.shape == (0, 3, 33, 35)
        assert image.dims == ("injection", "band", "y", "x")


def test_a_missing_column_and_a_wrong_dim_are_named():
    dataset = xr.Dataset({name: ("injection", parameters()[name]) for name in parameters()})
    with pytest.raises(ValueError, match="'q' has dims"):
        render(dataset.assign(q=("other", [0.5])))
    with pytest.raises(ValueError, match="not 'injection'"):
        render(dataset.rename(injection="galaxy"))
    with pytest.raises(ValueError, match="source_phi"):
        render(parameters().drop(columns="source_phi"))


# priors


@pytest.mark.parametrize("name", ["observed-colours", "rest-frame-colours", "compact-arcs"])
def test_draws_follow_the_measure_that_the_prior_states(name):
    ids = np.arange(40_000)
    drawn = priors.propose(name, np.full(ids.size, 1.5), ids, 3, 0)
    prior = prior_sets.prior_sets()[name]
    low, high = prior["beta_fraction"]["low"], prior["beta_fraction"]["high"]
    # Uniform in area: the median offset halves the annulus.
    assert np.median(drawn["beta_fraction"]) == pytest.approx(np.sqrt((low**2 + high**2) / 2), rel=0.01)
    offset = np.hypot(drawn["source_x"] - drawn["lens_x"], drawn["source_y"] - drawn["lens_y"])
    np.testing.assert_allclose(offset, 1.5 * drawn["beta_fraction"], rtol=1e-9)
    colour = drawn["mag_g"] - drawn["mag_r"]
    assert colour.mean() == pytest.approx(prior["colour_gr"]["mean"], abs=0.01)
    assert colour.std() == pytest.approx(prior["colour_gr"]["deviation"], rel=0.02)
    assert (drawn["mag_r"] - drawn["mag_z"]).mean() == pytest.approx(prior["colour_rz"]["mean"], abs=0.01)
    # |gamma| of two independent normals is Rayleigh: its median is 1.1774 deviations.
    assert np.median(np.hypot(drawn["gamma1"], drawn["gamma2"])) == pytest.approx(1.1774 * 0.05, rel=0.02)


def test_the_logarithmic_measure_is_uniform_in_the_logarithm():
    u = (np.arange(1000) + 0.5) / 1000
    x = priors.quantile({"measure": "log", "low": 0.1, "high": 0.4}, u)
    np.testing.assert_allclose(np.diff(np.log(x)), np.log(4) / 1000)


def test_rounds_of_proposals_are_unrelated_and_each_depends_on_the_id_only():
    ids = np.arange(5000)
    first, second = (priors.propose("observed-colours", np.ones(5000), ids, 1, k)["q"] for k in (0, 1))
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.05
    np.testing.assert_array_equal(priors.propose("observed-colours", np.ones(9), ids[17:26], 1, 0)["q"], first[17:26])


def test_an_unknown_prior_and_an_incomplete_one_are_refused():
    with pytest.raises(prior_sets.PriorError, match="observed-colours"):
        priors.check(settings(prior="none such"), 1)
    with pytest.raises(prior_sets.PriorError, match="beta_angle"):
        prior_sets._checked("mine", {"q": {"measure": "uniform", "low": 0, "high": 1}})
    bad = {**prior_sets.prior_sets()["compact-arcs"], "q": {"measure": "uniform", "low": 0.1}}
    with pytest.raises(prior_sets.PriorError, match="'q'"):
        prior_sets._checked("mine", bad)


def test_a_range_that_the_prior_cannot_meet_is_refused_before_any_work(hosts):
    with pytest.raises(prior_sets.PriorError, match="none of 64 draws"):
        injections.assign_hosts(hosts, settings(magnification=(200.0, 300.0)), 1)


# hosts


def test_a_host_sits_in_the_cell_of_its_own_seeing_and_depth(hosts):
    frame = hosts.assign(psfsize_r=("galaxy", np.array([0.9, 1.27, 1.28, 1.874, 1.3], "f4"))).assign(
        psfdepth_r=("galaxy", np.array([22.3, 23.7, 23.8, 24.74, 23.6], "f4"))
    )
    table, ledger = injections.assign_hosts(frame, settings(), 1)
    cells = table.set_index("position")[["psf_fwhm", "depth"]]
    assert cells.loc[0].tolist() == [0.9, 22.5]
    assert cells.loc[1].tolist() == [1.2, 23.5]
    assert cells.loc[2].tolist() == [1.35, 24.0]
    assert cells.loc[3].tolist() == [1.8, 24.5]
    assert ledger.missing == 0


def test_under_and_overflow_and_unfit_galaxies_are_counted(hosts):
    frame = hosts.assign(
        psfsize_r=("galaxy", np.array([0.5, 2.5, 1.2, 1.2, np.nan], "f4")),
        psfdepth_r=("galaxy", np.array([23, 23, 20, 27, 23], "f4")),
    )
    _, ledger = injections.assign_hosts(frame, settings(), 1)
    assert ledger.dropped == {
        "no PSF size or depth": 1,
        "PSF below the grid": 1,
        "PSF above the grid": 1,
        "depth below the grid": 1,
        "depth above the grid": 1,
    }
    frame = hosts.assign(
        host=("galaxy", np.array([0, 1, 1, 1, 1], bool)), cutout_ok=("galaxy", np.array([1, 1, 0, 1, 1], bool))
    )
    table, ledger = injections.assign_hosts(frame, settings(), 1)
    assert ledger.dropped == {"not a host": 1, "cutout not fit for use": 1}
    assert set(table["position"]) == {1, 3, 4}


def test_a_stamp_with_light_in_its_sky_ring_or_without_noise_is_no_host():
    hosts = make_hosts()
    hosts["noise_correlation"].values[1, 2] = 12.0  # a galaxy that falls off across the ring
    hosts["noise_correlation"].values[2, 0] = 5.5  # coarse native pixels
    hosts["noise_correlation"].values[3, 1] = np.nan
    hosts["noise_correlation"].values[4, 1] = -0.2
    table, ledger = injections.assign_hosts(hosts, settings(), 1)
    assert ledger.dropped == {"no noise measure": 2, "light in the sky ring": 1}
    assert sorted(table["position"]) == [0, 2]


def test_the_order_of_hosts_does_not_follow_the_order_of_the_catalogue(hosts):
    table, _ = injections.assign_hosts(hosts, settings(), 1)
    turned, _ = injections.assign_hosts(hosts.isel(galaxy=slice(None, None, -1)), settings(), 1)
    assert table["galaxy_id"].tolist() == turned["galaxy_id"].tolist()
    assert table["galaxy_id"].tolist() != sorted(table["galaxy_id"])


# draw


def test_ids_depend_on_the_cells_centre_and_the_trial_and_are_unique():
    coarse = numbering.injection_ids(np.array([1.0, 2.0]), 1.2, 23.5, np.arange(5))
    fine = numbering.injection_ids(np.array([1.0, 1.5, 2.0]), 1.2, 23.5, np.arange(9))
    np.testing.assert_array_equal(fine[::2, :5], coarse)
    every = [
        numbering.injection_ids(np.arange(0.5, 3.1, 0.25), p, d, np.arange(50))
        for p in (0.9, 1.05)
        for d in (22.5, 23.0)
    ]
    assert np.unique(every).size == np.size(every)
    with pytest.raises(ValueError, match="psf_fwhm"):
        numbering.injection_ids(np.array([1.0]), 9.0, 23.5, np.arange(5))


def test_more_trials_leave_the_old_ones_as_they_were(table, drawn):
    more = injections.draw(1.2, 23.5, table, settings(trials=20), 1)
    xr.testing.assert_identical(more.isel(trial=slice(0, 12)), drawn)


def test_a_trial_has_the_same_host_at_every_theta_e_and_hosts_are_used_evenly(drawn):
    galaxy = drawn["galaxy_id"].values[:, 0, 0]
    assert (galaxy == galaxy[0]).all()
    counts = np.unique(galaxy[0], return_counts=True)[1]
    assert counts.size == 5
    assert counts.max() - counts.min() <= 1


def test_theta_e_lies_in_its_bin_and_the_magnification_in_its_range(drawn):
    step = GRID["theta_e"]["step"]
    assert (np.abs(drawn["theta_e_drawn"] - drawn["theta_e"]) <= step / 2).all()
    assert drawn["magnification"].min() >= 5
    assert drawn["magnification"].max() <= 30
    assert drawn["proposals"].min() >= 1


def test_both_ends_of_the_range_of_the_magnification_are_kept(table):
    narrow = injections.draw(1.2, 23.5, table, settings(magnification=(6.0, 7.0)), 1)["magnification"]
    assert narrow.min() >= 6
    assert narrow.max() <= 7


def test_accepted_draws_are_the_first_of_the_prior_that_lie_in_the_range(drawn):
    ids = drawn["injection_id"].values.ravel()
    theta_e = drawn["theta_e_drawn"].values.ravel()
    tries = drawn["proposals"].values.ravel()
    for k in range(tries.max()):
        proposal = priors.propose("observed-colours", theta_e, ids, 1, k)
        mu = rendering.magnification(proposal, rendering.sources.smooth(proposal, 0.262))
        final = tries == k + 1
        np.testing.assert_array_equal(proposal["q"][final], drawn["q"].values.ravel()[final])
        assert not ((mu > 5.001) & (mu < 29.99) & (tries > k + 1)).any()


def test_a_cell_without_hosts_says_no_host(table, hosts):
    empty = injections.draw(1.2, 23.0, table[:0], settings(), 1)
    out = injections.inject(empty, hosts.isel(galaxy=slice(0, 0)), settings(), 1)
    assert set(out["failure"].values.ravel().tolist()) == {"no host"}
    assert (out["galaxy_id"] == -1).all()
    assert out["q"].isnull().all()
    assert np.isnan(injections.images(empty, hosts, settings(), 1)).all()


# inject


def test_images_render_again_bit_for_bit_and_in_any_grouping(drawn, hosts, monkeypatch):
    kept = injections.inject(drawn, hosts, settings(keep_images=True), 1)
    again = injections.images(kept, hosts, settings(), 1)
    np.testing.assert_array_equal(kept["image"].values.reshape(again.shape), again)
    monkeypatch.setattr(trials, "CHUNK", 5)
    np.testing.assert_array_equal(injections.images(drawn, hosts.isel(galaxy=[3, 1, 4, 0, 2]), settings(), 1), again)
    part = injections.images(drawn.isel(theta_e=[1], trial=[4, 7]), hosts, settings(), 1)
    np.testing.assert_array_equal(part, again.reshape(3, 12, *again.shape[1:])[1, [4, 7]])


def test_each_host_has_its_psf_transformed_once_and_trials_come_back_in_their_order(drawn, hosts, monkeypatch):
    made, convolved = [], imaging.convolved
    taken = list(inspect.signature(convolved.py_func).parameters).index

    def watched(*given):
        which = given[taken("which")][given[taken("order")]]
        made.append(
            1 + np.count_nonzero(np.diff(which))
        )  # a PSF is transformed wherever it differs from the one before
        convolved(*given)

    monkeypatch.setattr(imaging, "convolved", watched)
    whole = injections.images(drawn, hosts, settings(), 1)
    assert sum(made) == len(np.unique(drawn["galaxy_id"])) < drawn["q"].size
    assert np.unique(drawn["galaxy_id"].values.ravel()[:5]).size == 5  # neighbours have different hosts
    for k in range(5):
        one = injections.images(drawn.isel(theta_e=[0], trial=[k]), hosts, settings(), 1)
        np.testing.assert_array_equal(one[0], whole[k])


def test_outcome_without_kept_images_is_the_same(drawn, hosts):
    kept = injections.inject(drawn, hosts, settings(keep_images=True), 1)
    xr.testing.assert_identical(injections.inject(drawn, hosts, settings(), 1), kept.drop_vars("image"))


def test_the_arc_is_the_public_render_and_the_host_lies_under_it(drawn, hosts):
    out = injections.images(drawn, hosts, settings(shot_noise=False), 1)
    flat = drawn.isel(theta_e=0, psf_fwhm=0, depth=0)
    rows = pd.DataFrame({name: flat[name].values for name in refusing.NAMES if name not in ("theta_e",)})
    rows["theta_e"] = flat["theta_e_drawn"].values
    for band in schema.BANDS:
        rows[f"mag_{band}"] = flat[f"source_mag_{band}"].values
    widths = light.moffat_fwhm(np.array([1.3, 1.2, 1.1], "f4"), 2.5).astype("f4")
    kernel = np.stack([light.moffat(float(w), 2.5, host_pixels.MOFFAT_SIZE, 0.262) for w in widths])
    arc = render(
        rows, xr.DataArray(kernel, dims=("band", "psf_y", "psf_x"), attrs={"includes_pixel": True}), shape=(65, 65)
    )
    position = {g: i for i, g in enumerate(hosts["galaxy_id"].values)}
    for t in range(12):
        host = hosts["image"].values[position[int(flat["galaxy_id"][t])]][:, 18:82, 18:82]
        np.testing.assert_array_equal(out[t], host + arc.values[t, :, :64, :64])


@pytest.mark.parametrize(("stamp", "size"), [(101, 64), (101, 101), (101, 65), (64, 64), (64, 61)])
def test_the_arc_is_centred_on_the_object_in_every_crop(stamp, size):
    start, side = trials._frame(stamp, size)
    assert start == (stamp - size) // 2
    assert (side - 1) / 2 == (stamp - 1) / 2 - start
    assert size <= side <= size + 1


def test_unobserved_pixels_stay_unobserved(drawn):
    hosts = make_hosts()
    hosts["image"].values[:, 1, 40:45, 50] = np.nan
    out = injections.images(drawn, hosts, settings(), 1)
    assert np.isnan(out[:, 1, 22:27, 32]).all()
    assert np.isnan(out).sum() == 5 * len(out)


def test_an_infinite_gain_gives_the_noise_free_image_bit_for_bit(drawn, hosts, monkeypatch):
    clean = injections.images(drawn, hosts, settings(shot_noise=False), 1)
    assert (clean != injections.images(drawn, hosts, settings(), 1)).any()
    monkeypatch.setattr(noise, "gain", lambda sky, sigma, correlation: np.full(sigma.shape, np.inf))
    np.testing.assert_array_equal(injections.images(drawn, hosts, settings(), 1), clean)


def test_shot_noise_has_the_variance_of_the_gain(table, hosts):
    drawn = injections.draw(1.2, 23.5, table, settings(trials=40), 1)
    clean = injections.images(drawn, hosts, settings(shot_noise=False), 1).astype(float)
    noisy = injections.images(drawn, hosts, settings(), 1).astype(float)
    out = injections.inject(drawn, hosts, settings(), 1)
    galaxy = out["galaxy_id"].values.ravel()
    host = hosts["image"].values[(galaxy - 100) // 7][:, :, 18:82, 18:82].astype(float)
    arc = clean - host
    gain = out["gain"].values.reshape(-1, 3)[:, :, None, None]
    lit = arc * gain > 30
    # Resampling leaves 1 / SUM of the electrons' variance in a pixel, so that an arc as bright as the sky is as noisy
    # as the sky.
    pull = ((noisy - clean) / np.sqrt(np.clip(arc, 1e-12, None) / gain / SUM))[lit]
    assert pull.mean() == pytest.approx(0, abs=5 * np.sqrt(SUM / pull.size))
    assert pull.std() == pytest.approx(1, abs=0.015)
    beside = ((noisy - clean)[..., 1:] * (noisy - clean)[..., :-1] / (np.clip(arc, 1e-12, None) / gain / SUM)[..., 1:])[
        lit[..., 1:] & lit[..., :-1]
    ]
    assert beside.mean() == pytest.approx(0.25, abs=0.02)
    assert gain[0, :, 0, 0] == pytest.approx(np.array([0.105, 0.297, 2.84]) / (2 * SIGMA**2), rel=1e-5)


def test_bands_and_trials_have_unrelated_noise_and_one_trial_keeps_its_own_at_every_theta_e(drawn):
    ids = drawn["injection_id"].values[:, 0, 0]
    keys = numbering.noise_ids(ids)
    assert (keys == keys[0]).all()
    assert np.unique(keys).size == ids.shape[1]


def pulls(drawn, hosts):
    """Shot noise of each trial over the deviation of its electrons, (trial, band, y, x); NaN where no
    band has light to speak of.
    """
    noisy, clean = (
        injections.images(drawn, hosts, settings(shot_noise=chosen), 1).astype(float) for chosen in (True, False)
    )
    host = hosts["image"].values[(drawn["galaxy_id"].values.ravel() - 100) // 7][:, :, 18:82, 18:82].astype(float)
    gain = (np.array([0.105, 0.297, 2.84]) / (2 * SIGMA**2))[:, None, None]
    lit = ((clean - host) * gain > 30).all(1, keepdims=True)
    return np.where(lit, (noisy - clean) / np.sqrt(np.where(lit, clean - host, 1) / gain), np.nan)


def test_shot_noise_of_one_band_says_nothing_of_another_or_of_another_trial(drawn, hosts):
    pull = pulls(drawn, hosts)
    count = np.isfinite(pull[:, 0]).sum()
    assert count > 3000
    for a, b in ((0, 1), (1, 2), (0, 2)):
        assert abs(np.nanmean(pull[:, a] * pull[:, b])) < 5 / np.sqrt(count)
    other = pull[1:, 1] * pull[:-1, 1]
    assert abs(np.nanmean(other)) < 5 / np.sqrt(np.isfinite(other).sum())


def test_each_band_of_each_trial_has_a_stream_of_its_own_and_theta_e_none(drawn, hosts, monkeypatch):
    made, put = [], trials.shot.put_into
    monkeypatch.setattr(trials.shot, "put_into", lambda *arguments: made.append(arguments[4]) or put(*arguments))
    injections.images(drawn, hosts, settings(), 1)
    keys = np.concatenate(made)
    assert keys.shape == (3 * 12, 3)
    assert np.unique(keys).size == 3 * 12


def test_snr_follows_the_noise_of_the_host_while_the_parameters_do_not(table, drawn, hosts):
    noisy = make_hosts(sigma=SIGMA * 3)
    a, b = injections.inject(drawn, hosts, settings(), 1), injections.inject(drawn, noisy, settings(), 1)
    np.testing.assert_allclose(a["arc_snr"], 3 * b["arc_snr"], rtol=1e-5)
    xr.testing.assert_identical(a[list(schema.PARAMETERS)], b[list(schema.PARAMETERS)])


def test_lensed_magnitude_is_that_of_the_magnified_source(drawn, hosts):
    out = injections.inject(drawn, hosts, settings(), 1)
    for b, band in enumerate(schema.BANDS):
        want = out[f"source_mag_{band}"] - 2.5 * np.log10(out["magnification"])
        np.testing.assert_allclose(out["lensed_mag"][..., b], want, atol=0.01)


def test_a_psf_image_of_the_host_is_used_instead_of_the_moffat(drawn, hosts):
    kernel = np.full((5, 3, 31, 31), np.nan, "f4")
    wide = light.moffat(3.0, 2.5, 31, 0.262)
    kernel[:, 1] = wide
    with_image = hosts.assign(psf=(("galaxy", "band", "psf_y", "psf_x"), kernel))
    a = injections.images(drawn, hosts, settings(shot_noise=False), 1)
    b = injections.images(drawn, with_image, settings(shot_noise=False), 1)
    np.testing.assert_array_equal(a[:, [0, 2]], b[:, [0, 2]])
    bright = a[:, 1].max((1, 2)) > 10 * SIGMA[1]
    assert bright.any()
    assert (a[bright, 1].max((1, 2)) > b[bright, 1].max((1, 2))).all()


@pytest.mark.parametrize(
    ("break_", "reason"),
    [
        (lambda h: h["invvar"].values.__setitem__((2, 1), 0), "host without variance"),
        (lambda h: h["sigma"].values.__setitem__((2, 0), np.nan), "host without a noise measure"),
        (lambda h: h["psf_fwhm_core"].values.__setitem__((2, 2), np.nan), "band z: the host has neither"),
        (lambda h: h["failure"].values.__setitem__(2, "file missing"), "file missing"),
        (lambda h: h["sigma"].values.__setitem__((2, 0), np.inf), "host without a noise measure"),
        (lambda h: h["noise_lags"].values.__setitem__((2, 0, 0, 0), np.inf), "host without a noise measure"),
        (lambda h: h["noise_lags"].values.__setitem__((2, 0), -LAGS), "host without a noise measure"),
        (lambda h: h["psf_fwhm_core"].values.__setitem__((2, 2), np.inf), "band z: the host has neither"),
        (lambda h: h["image"].values.__setitem__((2, 1), np.nan), "host without pixels"),
    ],
)
def test_a_broken_host_fails_its_own_trials_and_no_other(drawn, break_, reason):
    hosts = make_hosts()
    good = injections.images(drawn, hosts, settings(), 1)
    break_(hosts)
    out = injections.inject(drawn, hosts, settings(), 1)
    failed = out["galaxy_id"].values.ravel() == hosts["galaxy_id"].values[2]
    reasons = out["failure"].values.ravel()
    assert all(str(r).startswith(reason) for r in reasons[failed])
    assert set(reasons[~failed].tolist()) == {""}
    images = injections.images(drawn, hosts, settings(), 1)
    assert np.isnan(images[failed]).all()
    np.testing.assert_array_equal(images[~failed], good[~failed])


def test_a_run_that_is_to_stop_stops_at_a_broken_host_with_injection_and_block(drawn):
    hosts = make_hosts()
    hosts["invvar"].values[2, 1] = 0
    first = int(drawn["injection_id"].values[drawn["galaxy_id"].values == 114][0])
    with pytest.raises(
        trials.InjectionError,
        match=rf"block psf_fwhm 1.2, depth 23.5: injection {first} \(host 114\): host without variance",
    ):
        injections.inject(drawn, hosts, settings(on_failure="stop"), 1)


@pytest.mark.parametrize(("name", "value"), [("theta_e_drawn", -1.0), ("q", np.nan), ("q", 1.3), ("r_e", -0.2)])
def test_bad_parameters_fail_their_own_injection_and_no_other(drawn, hosts, name, value):
    good = injections.images(drawn, hosts, settings(), 1)
    wrong = drawn.copy(deep=True)
    wrong[name].values[1, 0, 0, 5] = value
    out = injections.inject(wrong, hosts, settings(), 1)
    failure = out["failure"].values.astype(object)
    assert failure[1, 0, 0, 5].startswith("parameters: ")
    assert (failure != "").sum() == 1
    assert np.isnan(out["arc_snr"].values[1, 0, 0, 5])
    images = injections.images(wrong, hosts, settings(), 1)
    assert np.isnan(images[17]).all()
    np.testing.assert_array_equal(np.delete(images, 17, 0), np.delete(good, 17, 0))
    with pytest.raises(trials.InjectionError, match=f"injection {int(drawn['injection_id'][1, 0, 0, 5])} "):
        injections.inject(wrong, hosts, settings(on_failure="stop"), 1)


def test_a_source_too_large_to_be_sampled_fails_its_own_injection(drawn, hosts, monkeypatch):
    good, kernel = injections.images(drawn, hosts, settings(), 1), rendering.imaging.convolved

    large = [drawn["theta_e_drawn"].values.ravel()[7], parameters(9)["theta_e"][7]]

    def full_at_seven(*arguments):
        kernel(*arguments)
        arguments[-1][np.isin(arguments[0][:, 0], large)] = 1

    monkeypatch.setattr(rendering.imaging, "convolved", full_at_seven)
    out = injections.inject(drawn, hosts, settings(), 1)
    assert np.flatnonzero(out["failure"].values.ravel() != "").tolist() == [7]
    assert "too large" in str(out["failure"].values.ravel()[7])
    assert out["lensed_mag"].isnull().sum() == 3
    images = injections.images(drawn, hosts, settings(), 1)
    assert np.isnan(images[7]).all()
    np.testing.assert_array_equal(np.delete(images, 7, 0), np.delete(good, 7, 0))
    with pytest.raises(ValueError, match="injection 7: the source needs more than"):
        render(parameters(9), psf(), shape=(33, 33))


def test_a_psf_image_that_does_not_sum_to_one_fails_its_host(drawn, hosts):
    kernel = np.full((5, 3, 31, 31), np.nan, "f4")
    kernel[1, 0] = light.moffat(1.0, 2.5, 31, 0.262) * 14.568
    out = injections.inject(drawn, hosts.assign(psf=(("galaxy", "band", "psf_y", "psf_x"), kernel)), settings(), 1)
    assert {str(r) for r in out["failure"].values.ravel()} == {"", "band g: the PSF sums to 14.5680, not 1"}


def test_a_psf_image_whose_star_is_beside_the_middle_fails_its_host(drawn, hosts):
    kernel = np.full((5, 3, 31, 31), np.nan, "f4")
    kernel[1, 2] = np.roll(light.moffat(1.0, 2.5, 31, 0.262), 5, axis=1)
    out = injections.inject(drawn, hosts.assign(psf=(("galaxy", "band", "psf_y", "psf_x"), kernel)), settings(), 1)
    found = {str(r) for r in out["failure"].values.ravel()} - {""}
    assert len(found) == 1
    assert found.pop().startswith(
        "band z: the PSF has its star on x 20.00, y 15.00, and its middle pixel is x 15, y 15"
    )


def test_hosts_in_the_wrong_unit_or_too_small_or_missing_are_refused(drawn, hosts):
    wrong = hosts.assign(image=hosts["image"].assign_attrs(units="count"))
    with pytest.raises(ValueError, match="'image' is in 'count', not 'nanomaggy'"):
        injections.inject(drawn, wrong, settings(), 1)
    with pytest.raises(ValueError, match="too small"):
        injections.inject(drawn, hosts.isel(y=slice(0, 50), x=slice(0, 50)), settings(), 1)
    with pytest.raises(ValueError, match="not among the 2 hosts"):
        injections.inject(drawn, hosts.isel(galaxy=[0, 1]), settings(), 1)
    for name in ("sigma", "noise_lags"):
        with pytest.raises(ValueError, match=rf"hosts lack \['{name}'\]"):
            injections.inject(drawn, hosts.drop_vars(name), settings(), 1)


# kinds of sources


@pytest.mark.parametrize("kind", ["sersic", "clumpy", "stamps"])
def test_a_source_of_any_kind_has_the_flux_of_its_magnitude_before_it_is_lensed(kind):
    values = {name: array.to_numpy() for name, array in parameters(4).items()}
    values["theta_e"], values["gamma1"], values["gamma2"] = np.full(4, 1e-7), np.zeros(4), np.zeros(4)
    stamps = rendering.sources.prepare(kind, [galaxy_stamp()])
    parts = rendering.sources.of_kind(kind, values, np.arange(4), 1, stamps, 0.262)
    np.testing.assert_allclose(rendering.magnification(values, parts), 1, rtol=5e-3)


@pytest.mark.parametrize("kind", ["clumpy", "stamps"])
def test_other_sources_keep_flux_and_render_again(kind, table, hosts):
    chosen = settings(source=kind, trials=6)
    stamps = [galaxy_stamp()] if kind == "stamps" else None
    drawn = injections.draw(1.2, 23.5, table, chosen, 1, stamps)
    assert ((drawn["magnification"] >= 5) & (drawn["magnification"] <= 30)).all()
    out = injections.inject(drawn, hosts, chosen, 1, stamps)
    want = out["source_mag_r"] - 2.5 * np.log10(out["magnification"])
    np.testing.assert_allclose(out["lensed_mag"].sel(band="r"), want, atol=0.02)
    a, b = (injections.images(drawn.isel(trial=part), hosts, chosen, 1, stamps) for part in (slice(None), [3]))
    np.testing.assert_array_equal(a.reshape(3, 6, *a.shape[1:])[:, 3], b)
    smooth = injections.images(drawn, hosts, settings(trials=6), 1)
    assert (a != smooth).any()


def test_stamps_that_are_missing_or_do_not_sum_to_one_are_refused(table):
    chosen = settings(source="stamps")
    with pytest.raises(ValueError, match="source_stamps"):
        injections.draw(1.2, 23.5, table, chosen, 1)
    with pytest.raises(ValueError, match="'exponential' must be"):
        injections.draw(1.2, 23.5, table, chosen, 1, [{**galaxy_stamp(), "image": galaxy_stamp()["image"] * 2}])


def test_inner_images_can_be_suppressed_and_the_arc_is_then_fainter(drawn, hosts):
    both = injections.inject(drawn, hosts, settings(), 1)
    outer = injections.inject(drawn, hosts, settings(inner_images=False), 1)
    assert (outer["lensed_mag"] > both["lensed_mag"]).all()
    assert (outer["lensed_mag"] - both["lensed_mag"]).max() < 1.2


def test_render_makes_the_images_that_each_row_asks_for():
    table = parameters(4)
    whole, outer = (render(table.assign(inner_images=inner), psf(), shape=(64, 64)).values for inner in (True, False))
    np.testing.assert_array_equal(whole, render(table, psf(), shape=(64, 64)).values)
    assert (outer.sum((1, 2, 3)) < 0.99 * whole.sum((1, 2, 3))).all()
    mixed = table.assign(inner_images=[True, False, False, True])
    np.testing.assert_array_equal(
        render(mixed, psf(), shape=(64, 64)).values, np.stack([whole[0], outer[1], outer[2], whole[3]])
    )
    bare = [render(t, shape=(64, 64)).values for t in (mixed[:2], mixed[1:2])]
    np.testing.assert_array_equal(bare[0][1:], bare[1])
    with pytest.raises(ValueError, match="'inner_images' is float64"):
        render(table.assign(inner_images=1.0), psf())


# gates


def with_galaxies(hosts):
    """The hosts with a galaxy of 18th magnitude at the centre of each."""
    r = (np.arange(101) - 50) * 0.262
    galaxy = light.sersic(r, r[:, None], 1.0, 1.0) * 0.262**2 * 10 ** (-0.4 * (18.0 - 22.5))
    image = hosts["image"].copy(data=(hosts["image"].values + galaxy).astype("f4"))
    return hosts.assign(image=image, mag_r=hosts["mag_r"].copy(data=np.full(hosts.sizes["galaxy"], 18.0, "f4")))


def verdicts(drawn, hosts, table, **changes):
    return {
        g.id: g
        for g in injections.gates(injections.inject(drawn, hosts, settings(**changes), 1), table, settings(**changes))
    }


def test_all_gates_of_a_good_run_pass(drawn, hosts, table):
    found = verdicts(drawn, with_galaxies(hosts), table)
    assert {g.verdict for g in found.values()} == {gates.PASS}, [g for g in found.values() if g.verdict != gates.PASS]
    assert len(found) == 5 + 3 * 5 + 1


def test_without_a_catalogue_magnitude_the_zeropoint_is_not_judged(drawn, hosts, table):
    assert verdicts(drawn, hosts, table)["injections.zeropoint"].verdict == gates.ABSENT


@pytest.mark.parametrize("beta", [2.5, 3.5, 4.5])
def test_every_moffat_of_the_bracket_has_the_width_of_psfsize(drawn, hosts, table, beta):
    found = verdicts(drawn, hosts, table, moffat_beta=beta)
    assert found["injections.psf_width_r"].value == pytest.approx(1, abs=0.03)
    expected = {2.5: 0.720, 3.5: 0.811, 4.5: 0.858}[beta]
    assert found["injections.psf_core_r"].value == pytest.approx(expected, abs=0.02)
    assert found["injections.psf_core_r"].verdict == gates.PASS


def test_the_bracket_of_moffats_changes_the_image_and_not_where_there_is_a_psf_image(drawn, hosts):
    chosen = settings(shot_noise=False)
    a, b = (injections.images(drawn, hosts, chosen.model_copy(update={"moffat_beta": beta}), 1) for beta in (2.5, 4.5))
    assert (a != b).any()
    np.testing.assert_allclose(a, injections.images(drawn, hosts, chosen, 1), rtol=0, atol=1e-6)
    image = hosts.assign(psf=(("galaxy", "band", "psf_y", "psf_x"), moffats(hosts["psfsize"].values).astype("f4")))
    a, b = (injections.images(drawn, image, chosen.model_copy(update={"moffat_beta": beta}), 1) for beta in (2.5, 4.5))
    np.testing.assert_array_equal(a, b)


def gaussians(fwhm):
    r = (np.arange(61) - 30) * 0.262
    images = np.exp(-4 * np.log(2) * (r**2 + r[:, None] ** 2) / np.reshape(fwhm, (*np.shape(fwhm), 1, 1)) ** 2)
    return (images / images.sum((-2, -1), keepdims=True)).astype("f4")


_PSF = ("galaxy", "band", "psf_y", "psf_x")
_WRONG_HOSTS = {
    "a Gaussian whose FWHM is PSFSIZE": (
        "injections.psf_core_r",
        lambda h: h.assign(psf=(_PSF, gaussians(h["psfsize"].values))),
    ),
    "a Moffat whose FWHM is PSFSIZE": ("injections.psf_width_r", lambda h: h.assign(psf_fwhm_core=h["psfsize"])),
    "depths as inverse variance": ("injections.depth_r", lambda h: h.assign(psfdepth=h["psfdepth"] * 0 + 1000)),
    "depths of another magnitude system": ("injections.depth_g", lambda h: h.assign(psfdepth=h["psfdepth"] + 0.9)),
    "pixels of zeropoint 25": (
        "injections.zeropoint",
        lambda h: h.assign(image=h["image"] * 10.0, sigma=h["sigma"] * 10.0, invvar=h["invvar"] / 100.0),
    ),
    "weights of another unit": ("injections.gain_z", lambda h: h.assign(invvar=h["invvar"] * 4.0)),
    "weights that call the sky quiet": ("injections.shot_noise_g", lambda h: h.assign(invvar=h["invvar"] * 2.1)),
}


@pytest.mark.parametrize("what", _WRONG_HOSTS)
def test_each_physics_gate_fails_on_hosts_that_contradict_it(drawn, hosts, table, what):
    gate, spoil = _WRONG_HOSTS[what]
    with xr.set_options(keep_attrs=True):
        wrong = spoil(with_galaxies(hosts))
    found = verdicts(drawn, wrong, table)
    assert found[gate].verdict == gates.FAIL, found[gate]


def test_weights_of_pixels_that_share_the_noise_of_coarser_ones_are_held_against_the_gain_as_such(drawn, hosts):
    """Three pixels of the coadd lie in one of the camera, in two bands, and each weight says its own noise alone."""
    area = xr.DataArray(np.tile([3.0, 2.0, 1.0], (hosts.sizes["galaxy"], 1)), dims=("galaxy", "band"))
    with xr.set_options(keep_attrs=True):
        shared = hosts.assign(invvar=hosts["invvar"] * area.astype("f4"))
    plain, blind = (injections.inject(drawn, h, settings(), 1) for h in (hosts, shared))
    told = injections.inject(drawn, shared.assign(camera_pixel_area=area), settings(), 1)
    np.testing.assert_allclose(blind["gain_ratio"] * [3, 2, 1], plain["gain_ratio"].transpose(..., "band"), rtol=1e-6)
    np.testing.assert_allclose(told["gain_ratio"], plain["gain_ratio"], rtol=1e-6)
    np.testing.assert_array_equal(told["gain"], plain["gain"])


def test_a_gain_of_150_electrons_is_refused_with_both_numbers(drawn, hosts):
    chosen = settings(gain=dict.fromkeys(schema.BANDS, 150.0))
    with pytest.raises(
        physics.GainError,
        match=r"depth 23.5: injections.gain is 150 electrons .* in g, .* says 1.817e\+04 .* fainter than the dark sky",
    ):
        injections.inject(drawn, hosts, chosen, 1)
    with pytest.raises(physics.GainError, match="in r"):
        injections.inject(drawn, hosts, settings(gain={"g": 1.8e4, "r": 2.5e6, "z": 2.3e4}), 1)


def test_a_configured_gain_that_the_pixels_confirm_is_used(drawn, hosts):
    given = {"g": 2.0e4, "r": 3.0e4, "z": 2.0e4}
    out = injections.inject(drawn, hosts, settings(gain=given), 1)
    for band, gain in given.items():
        np.testing.assert_allclose(out["gain"].sel(band=band), gain)
    assert out["gain_ratio"].sel(band="r").values == pytest.approx(3.0e4 * 2 * SIGMA[1] ** 2 / 0.297, rel=1e-5)


def test_light_fainter_than_the_sky_is_never_noisier_than_the_sky(drawn, hosts):
    out = injections.inject(drawn, hosts, settings(), 1)
    sky = np.array([0.105, 0.297, 2.84])
    brightness = 0.99 * sky
    assert (brightness / out["gain"].values < (2 * SIGMA**2)).all()


@pytest.mark.parametrize(
    ("spoil", "gate"),
    [
        (lambda o: o["magnification"].values.__setitem__((0, 0, 0, 0), 40.0), "injections.magnification"),
        (lambda o: o["lensed_mag"].values.__iadd__(0.3), "injections.flux"),
        (lambda o: o["gain_ratio"].values.__imul__(1.6), "injections.gain_r"),
        (lambda o: o["gain_ratio"].values.__itruediv__(1.6), "injections.gain_g"),
        (lambda o: o["failure"].values.__setitem__((1, 0, 0, 2), "file missing"), "injections.failed"),
        (lambda o: o["proposals"].values.__imul__(100), "injections.efficiency"),
        (lambda o: o["galaxy_id"].values.__setitem__(..., 107), "injections.hosts"),
    ],
)
def test_each_gate_fails_when_its_claim_is_broken(drawn, hosts, table, spoil, gate):
    out = injections.inject(drawn, hosts, settings(), 1).copy(deep=True)
    spoil(out)
    verdicts = {g.id: g.verdict for g in injections.gates(out, table, settings())}
    assert verdicts[gate] == gates.FAIL


def test_the_gate_of_failures_names_the_first_injection_and_its_block(drawn, hosts, table):
    out = injections.inject(drawn, hosts, settings(), 1).copy(deep=True)
    out["failure"].values[1:, 0, 0, 2] = "file missing"
    gate = {g.id: g for g in injections.gates(out, table, settings())}["injections.failed"]
    first = int(out["injection_id"][1, 0, 0, 2])
    assert gate.evidence == f"file missing: 2, first injection {first} of block psf_fwhm 1.2, depth 23.5"


def test_a_grid_without_any_host_fails_a_gate(table, hosts):
    empty = injections.inject(injections.draw(1.2, 23.0, table[:0], settings(), 1), hosts, settings(), 1)
    assert [g.verdict for g in injections.gates(empty, table[:0], settings())] == [gates.FAIL]
