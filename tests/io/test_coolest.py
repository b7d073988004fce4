"""Lens models in COOLEST: its own reader takes them, its own profiles deflect and shine as ours, and what is another
lens or another convention is refused by name.
"""

import copy
import json

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from injection_hosts import parameters
from typer.testing import CliRunner

import lenscal as lc
from lenscal.cli import app
from lenscal.injections import priors
from lenscal.injections.coolest import from_north
from lenscal.injections.models import from_x, prior_of_models
from lenscal.io import coolest
from lenscal.kernels import lensing, light


@pytest.fixture
def table():
    return parameters(12)


def points(profile):
    return {name: one["point_estimate"]["value"] for name, one in profile["parameters"].items()}


def entities(document):
    return {one["name"]: one for one in document["lensing_entities"]}


def test_a_model_comes_back_as_it_went(table):
    for (_, row), document in zip(table.iterrows(), lc.coolest_models(table)):
        back = lc.from_coolest(json.loads(json.dumps(document)))
        for name, value in back.items():
            expected = row[name] % np.pi if name.endswith("phi") else row[name]
            assert value == pytest.approx(expected, rel=1e-9, abs=1e-9), name
        assert set(back) >= {"theta_e", "gamma1", "source_x", "r_e", "mag_r"}


def test_angles_count_from_north_within_half_a_turn():
    for degrees, expected in ((0, 90), (90, 0), (135, 45), (45, -45), (180, 90), (179, 89), (1, -89)):
        assert from_north(np.radians(degrees)) == pytest.approx(expected)
        assert np.degrees(from_x(expected)) == pytest.approx(degrees % 180)


def test_the_profiles_of_coolest_deflect_and_shine_as_ours(table):
    from coolest.api.profiles import light as brightness
    from coolest.api.profiles import mass

    x, y = np.random.default_rng(3).uniform(-3, 3, (2, 200))
    for (_, row), document in zip(table.iterrows(), lc.coolest_models(table)):
        parts = entities(document)
        lens, outer = (points(parts[name]["mass_model"][0]) for name in ("lens", "shear"))
        a, b = mass.PEMD().deflection(x, y, **lens), mass.ExternalShear().deflection(x, y, **outer)
        names = ("theta_e", "q", "phi", "gamma1", "gamma2", "lens_x", "lens_y")
        ours = lensing.deflection(x, y, **{name: row[name] for name in names})
        np.testing.assert_allclose(np.add(a, b), ours, atol=2e-6)
        theirs = brightness.Sersic().evaluate_surface_brightness(x, y, **points(parts["source"]["light_model"][0]))
        flux = 10 ** (-0.4 * (row["mag_r"] - 22.5))
        shape = {name: row[name] for name in ("n", "r_e", "source_q", "source_phi", "source_x", "source_y")}
        shape = {
            name.removeprefix("source_") if name in ("source_q", "source_phi") else name: v for name, v in shape.items()
        }
        expected = flux * light.sersic(x, y, **shape)
        np.testing.assert_allclose(theirs, expected, rtol=1e-6, atol=1e-9 * expected.max())


def test_the_reader_of_coolest_takes_what_is_written(table, tmp_path):
    from coolest.template import json as reader

    document = lc.coolest_models(table[:1], redshifts=(0.4, 1.8), origin=(150.1, -2.25))[0]
    rng = np.random.default_rng(0)
    image, psf = rng.normal(size=(64, 64)), np.full((31, 31), 1 / 31**2)
    coolest.write(tmp_path, "one", document, image, np.ones((64, 64)), psf, 0.262)
    taken = reader.JSONSerializer(str(tmp_path / "one")).load(skip_jsonpickle=True, verbose=False)
    taken.observation.check_consistency_with_instrument(taken.instrument)
    assert [one.name for one in taken.lensing_entities] == ["lens", "shear", "source"]
    assert (
        taken.lensing_entities[0].mass_model[0].parameters["theta_E"].point_estimate.value == table["theta_e"].iloc[0]
    )
    assert taken.observation.pixels.pixel_size == pytest.approx(0.262)
    np.testing.assert_array_equal(fits.getdata(tmp_path / "one-image.fits"), image.astype("f4"))
    with pytest.raises(ValueError, match="squares"):
        coolest.write(tmp_path, "two", document, image[:60], np.ones((64, 64)), psf, 0.262)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.update(standard="other"), "'standard' is 'other'"),
        (lambda d: d.update(lensing_entities="none"), "expected a list of entities"),
        (
            lambda d: d["lensing_entities"].append(copy.deepcopy(d["lensing_entities"][0])),
            "expected one lens in one plane",
        ),
        (lambda d: d["lensing_entities"].append(copy.deepcopy(d["lensing_entities"][1])), "more than one mass field"),
        (lambda d: d["lensing_entities"].pop(), "expected one Sersic profile"),
        (
            lambda d: d["lensing_entities"][2].update(redshift=0.1) or d["lensing_entities"][0].update(redshift=0.5),
            "behind",
        ),
        (lambda d: point(d, 0, "mass", "gamma", 2.1), "isothermal"),
        (lambda d: point(d, 0, "mass", "phi", 120.0), "degrees from \\+y"),
        (lambda d: point(d, 0, "mass", "theta_E", None), "theta_E has the point estimate None"),
        (lambda d: point(d, 0, "mass", "theta_E", float("nan")), "expected a number"),
        (lambda d: point(d, 0, "mass", "theta_E", 0.0), "theta_e is 0"),
        (lambda d: point(d, 0, "mass", "q", 1.3), "q is 1.3"),
        (lambda d: point(d, 2, "light", "n", 11.0), "n is 11, expected 0.5 to 10"),
        (lambda d: point(d, 2, "light", "n", 0.3), "n is 0.3, expected 0.5 to 10"),
        (lambda d: d["lensing_entities"][0]["mass_model"][0].update(type="NFW"), "expected SIE or PEMD"),
    ],
)
def test_another_lens_or_another_convention_is_refused_by_name(table, change, said):
    document = lc.coolest_models(table[:1])[0]
    change(document)
    with pytest.raises(ValueError, match=said) as refused:
        lc.from_coolest(document, "mine.json")
    assert str(refused.value).startswith("mine.json")


def twice(document, entity):
    document["lensing_entities"].append(copy.deepcopy(document["lensing_entities"][entity]))


def point(document, entity, kind, name, value):
    document["lensing_entities"][entity][f"{kind}_model"][0]["parameters"][name]["point_estimate"]["value"] = value


def test_what_no_model_can_say_is_not_exported(table):
    with pytest.raises(ValueError, match="inner images"):
        lc.coolest_models(table.assign(inner_images=False))
    with pytest.raises(ValueError, match="stamps"):
        lc.coolest_models(table, source="stamps")
    with pytest.raises(ValueError, match="seed"):
        lc.coolest_models(table, source="clumpy")
    assert len(entities(lc.coolest_models(table[:1], source="clumpy", seed=1)[0])["source"]["light_model"]) > 1


def test_a_sample_of_models_becomes_a_prior_with_its_density(tmp_path):
    table = parameters(40)
    for n, document in enumerate(lc.coolest_models(table)):
        (tmp_path / f"lens-{n:02d}.json").write_text(json.dumps(document))
    told = CliRunner().invoke(app, ["prior-of-models", str(tmp_path), str(tmp_path / "mine.yaml"), "--name", "mine"])
    assert told.exit_code == 0, told.output
    text = (tmp_path / "mine.yaml").read_text()
    ids = np.arange(4000)
    drawn = priors.propose("mine", np.full(ids.size, 1.5), ids, 1, 0, text)
    for name in ("q", "n", "r_e", "mag_r"):
        sample = np.sort(table[name].to_numpy())
        assert sample[0] <= drawn[name].min() <= drawn[name].max() <= sample[-1]
        np.testing.assert_allclose(
            np.quantile(drawn[name], [0.25, 0.5, 0.75]), np.quantile(sample, [0.25, 0.5, 0.75]), rtol=0.1
        )
    density = priors.log_density("mine", drawn, 0.25, text)
    assert np.isfinite(density).all()
    # Mean of 1 / density over draws is the volume that they fill: that of the prior's own range.
    prior = {"measure": "values", "values": [0.0, 1.0, 3.0]}
    u = (np.arange(10000) + 0.5) / 10000
    value = priors.quantile(prior, u)
    assert np.exp(-priors._log_density(prior, value)).mean() == pytest.approx(3.0)
    assert priors._log_density(prior, np.array([-0.1, 3.1])).tolist() == [-np.inf, -np.inf]
    again = CliRunner().invoke(app, ["prior-of-models", str(tmp_path), str(tmp_path / "mine.yaml")])
    assert again.exit_code == 1
    with pytest.raises(ValueError, match="expected 10 or more"):
        prior_of_models(pd.DataFrame(table[:3]), "few", "observed-colours", "")


def test_values_that_do_not_grow_are_no_prior():
    entry = "{measure: values, values: [1, 1]}"
    with pytest.raises(priors.PriorError, match="larger than the one before"):
        priors.named("mine", f"mine: {{like: observed-colours, q: {entry}}}")


def test_a_file_that_is_no_document_is_refused(tmp_path):
    (tmp_path / "a.json").write_text("[1, 2]")
    (tmp_path / "b.json").write_text("{")
    for name, said in (("a", "holds a list"), ("b", "is no JSON")):
        with pytest.raises(ValueError, match=said):
            coolest.read(tmp_path / f"{name}.json")
