"""An injection can be rendered again in lenstronomy from its keyword arguments alone."""

import json

import numpy as np
import pytest
import xarray as xr
from injection_hosts import galaxy_stamp, make_hosts, parameters, settings

import lenscal
from lenscal import injections, schema
from lenscal.injections import rendering
from lenscal.injections.sources import of_kind, prepare
from lenscal.kernels import light

SHAPE = (44, 44)  # supersampled grids of lenstronomy are square


def rerender(entry, band, supersampling):
    """What a stranger would do with the exported arguments."""
    pytest.importorskip("lenstronomy")
    from lenstronomy.Data.pixel_grid import PixelGrid
    from lenstronomy.Data.psf import PSF
    from lenstronomy.ImSim.image_model import ImageModel
    from lenstronomy.LensModel.lens_model import LensModel
    from lenstronomy.LightModel.light_model import LightModel

    data = {name: np.array(value) if isinstance(value, list) else value for name, value in entry["kwargs_data"].items()}
    grid = PixelGrid(nx=entry["shape"][1], ny=entry["shape"][0], **data)
    model = ImageModel(
        grid,
        PSF(psf_type="NONE"),
        LensModel(entry["lens_model_list"]),
        LightModel(entry["source_model_list"]),
        kwargs_numerics={"supersampling_factor": supersampling},
    )
    return model.image(entry["kwargs_lens"], entry["kwargs_source"][band])


def agree(ours, theirs, tolerance):
    assert np.abs(ours - theirs).max() < tolerance * ours.max()
    assert theirs.sum() == pytest.approx(ours.sum(), rel=tolerance)


def test_lenstronomy_draws_the_image_of_render_from_the_exported_arguments():
    table = parameters(4)
    table["n"] = [0.5, 1.0, 2.0, 1.5]
    image = lenscal.render(table, shape=SHAPE).values
    for row, entry in enumerate(lenscal.lenstronomy_kwargs(table, shape=SHAPE)):
        for band in (0, 2):
            agree(image[row, band], rerender(entry, schema.BANDS[band], 15), 0.01)


def test_arguments_go_through_json_and_a_dataset_gives_the_same():
    table = parameters(2)
    entries = lenscal.lenstronomy_kwargs(table)
    assert json.loads(json.dumps(entries)) == entries
    dataset = xr.Dataset({name: ("injection", table[name]) for name in table})
    assert lenscal.lenstronomy_kwargs(dataset) == entries


@pytest.mark.parametrize("kind", ["clumpy", "stamps"])
def test_knots_and_real_galaxies_are_exported_as_they_were_rendered(kind):
    chosen, hosts = settings(source=kind, trials=2), make_hosts()
    stamps = [galaxy_stamp()] if kind == "stamps" else None
    table, _ = injections.assign_hosts(hosts, chosen, 1)
    drawn = injections.draw(1.2, 23.5, table, chosen, 1, stamps)
    rows = lenscal.injection_parameters(injections.inject(drawn, hosts, chosen, 1, stamps))
    assert rows.index.tolist() == drawn["injection_id"].values.ravel().tolist()
    rows = rows[:2]
    values = {name: rows[name].to_numpy() for name in rows}
    parts = of_kind(kind, values, rows.index.to_numpy(), 1, prepare(kind, stamps), schema.PIXEL_SCALE)
    unit, _ = rendering.pixel_integrals(values, parts, SHAPE, schema.PIXEL_SCALE)
    for row, entry in enumerate(lenscal.lenstronomy_kwargs(rows, shape=SHAPE, source=kind, seed=1, stamps=stamps)):
        flux = 10 ** (-0.4 * (values["mag_r"][row] - 22.5))
        agree(unit[row] * flux, rerender(entry, "r", 15), 0.02)


def test_a_turned_stamp_off_its_own_centre_lies_where_it_was_rendered():
    image = np.zeros((61, 81), "f4")
    y, x = np.indices(image.shape)
    image += np.exp(-((x - 52.0) ** 2 + (y - 22.0) ** 2) / 40) + 0.3 * np.exp(-((x - 60.0) ** 2 + (y - 30.0) ** 2) / 20)
    stamps = [{"image": image / image.sum(), "pixel_scale": 0.03, "name": "lopsided"}]
    rows = parameters(1)
    values = {name: rows[name].to_numpy() for name in rows}
    parts = of_kind("stamps", values, np.array([0]), 1, prepare("stamps", stamps), schema.PIXEL_SCALE)
    unit, _ = rendering.pixel_integrals(values, parts, SHAPE, schema.PIXEL_SCALE)
    (entry,) = lenscal.lenstronomy_kwargs(rows, shape=SHAPE, source="stamps", seed=1, stamps=stamps)
    agree(unit[0] * 10 ** (-0.4 * (values["mag_r"][0] - 22.5)), rerender(entry, "r", 15), 0.02)


def test_sources_that_are_drawn_need_the_seed_and_bad_rows_are_named():
    with pytest.raises(ValueError, match="seed"):
        lenscal.lenstronomy_kwargs(parameters(1), source="clumpy")
    bad = parameters(3)
    bad.loc[1, "q"] = 1.5
    with pytest.raises(ValueError, match=r"injection 1: q is 1\.5"):
        lenscal.lenstronomy_kwargs(bad)


def test_suppressed_inner_images_are_refused_or_said_and_never_exported_unsaid():
    hosts = make_hosts()
    table, _ = injections.assign_hosts(hosts, settings(), 1)
    drawn = injections.draw(1.2, 23.5, table, settings(), 1)
    whole, outer = (
        lenscal.injection_parameters(injections.inject(drawn, hosts, settings(inner_images=inner), 1))[:3]
        for inner in (True, False)
    )
    assert [entry["inner_images"] for entry in lenscal.lenstronomy_kwargs(whole)] == [True] * 3
    with pytest.raises(
        ValueError,
        match=f"injection {outer.index[0]} and 2 more have their inner images suppressed, which lenstronomy would draw",
    ):
        lenscal.lenstronomy_kwargs(outer)
    entries = lenscal.lenstronomy_kwargs(outer, all_images=True)
    assert [entry.pop("inner_images") for entry in entries] == [False] * 3
    assert entries == [
        {k: v for k, v in entry.items() if k != "inner_images"} for entry in lenscal.lenstronomy_kwargs(whole)
    ]
    # What is said is true: lenstronomy draws the image with inner images, and not the one that was injected.
    drawn_there = rerender(lenscal.lenstronomy_kwargs(outer[:1], shape=SHAPE, all_images=True)[0], "r", 15)
    agree(lenscal.render(whole[:1], shape=SHAPE).values[0, 1], drawn_there, 0.01)
    assert lenscal.render(outer[:1], shape=SHAPE).values[0, 1].sum() < 0.97 * drawn_there.sum()


def test_injections_that_do_not_say_which_images_they_have_are_refused():
    hosts = make_hosts()
    table, _ = injections.assign_hosts(hosts, settings(), 1)
    made = injections.inject(injections.draw(1.2, 23.5, table, settings(), 1), hosts, settings(), 1)
    with pytest.raises(ValueError, match="lack the attribute 'inner_images'"):
        lenscal.injection_parameters(made.drop_attrs())


def test_the_exported_flux_is_that_of_the_magnitude():
    table = parameters(1)
    (entry,) = lenscal.lenstronomy_kwargs(table)
    (kwargs,) = entry["kwargs_source"]["g"]
    fit, n = 1.9992 * kwargs["n_sersic"] - 0.3271, kwargs["n_sersic"]
    r = np.linspace(0, 12, 400_001)
    profile = kwargs["amp"] * np.exp(-fit * ((r / kwargs["R_sersic"]) ** (1 / n) - 1))
    assert np.trapezoid(2 * np.pi * r * profile, r) == pytest.approx(
        10 ** (-0.4 * (table["mag_g"][0] - 22.5)), rel=1e-3
    )
    assert light.sersic_b(n) != fit
