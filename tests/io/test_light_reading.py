"""A cube that is read by Zarr alone says what it says to xarray, and is held to its content all the same."""

import shutil
import subprocess
import sys

import cubes
import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

from lenscal import completeness, cube, schema
from lenscal.cli import app
from lenscal.io import light, stores


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A cube of two thresholds, and of two populations of hosts."""
    injections, scored = cubes.drawn()
    drawn = np.zeros(injections["galaxy_id"].shape)
    densities = {"log_density_host": drawn, "log_density_survey": drawn, "log_density_lens_like": drawn + 0.1}
    injections = injections.assign({name: (schema.TRIAL, values) for name, values in densities.items()})
    counts = completeness.count(injections, scored, cubes.thresholds(0.3, 0.9), cubes.SETTINGS_2)
    made = completeness.posteriors(counts, cubes.SETTINGS_2).assign_attrs(half_width_theta_e=0.25, population="survey")
    sizes = made.sizes["psf_fwhm"], made.sizes["depth"]
    made = made.assign(area=(("psf_fwhm", "depth"), np.ones(sizes)), host_pool=(("psf_fwhm", "depth"), np.ones(sizes)))
    folder = tmp_path_factory.mktemp("light")
    stores.write(folder / "completeness.zarr", schema.COMPLETENESS, made, {"mock": 1, "detector_hash": cubes.HASH})
    return folder / "completeness.zarr"


def test_every_array_and_attribute_is_that_of_xarray(place):
    found, expected = light.open_small(place), stores.open(place).load()
    assert set(found) == set(map(str, expected.variables))
    assert found.attrs == expected.attrs
    for name, array in expected.variables.items():
        assert found[name].dims == array.dims
        assert found[name].attrs == array.attrs
        np.testing.assert_array_equal(found[name].values.astype(array.dtype), array.values)


@pytest.mark.parametrize("population", [None, "lens-like"])
@pytest.mark.parametrize("at", [(1.5, 1.1, 23.5), (0.8, 1.4, 23.5), (2.2, 1.5, 24.2)])
def test_the_cell_of_some_conditions_is_that_of_xarray(place, at, population):
    found = cube.cell_of(cube.of_population(light.open_small(place), population), *at)
    expected = cube.cell_of(cube.of_population(stores.open(place).load(), population), *at)
    for name in ("n_injected", "completeness", "status", "theta_e", "total_lower"):
        if name in expected:
            assert found[name].dims == expected[name].dims
            np.testing.assert_array_equal(found[name].values, expected[name].values)
    assert "population" not in found
    assert found.attrs["population"] == expected.attrs["population"]


def asked(place, *more):
    return CliRunner().invoke(app, ["query", str(place), "--theta-e", "1.5", "--psf", "1.1", "--depth", "23.5", *more])


def test_query_prints_the_numbers_of_the_cube(place):
    one = stores.open(place).sel(population="survey", theta_e=1.5, psf_fwhm=1.1, depth=23.5)
    told = asked(place)
    assert told.exit_code == 0
    for t in range(2):
        threshold = one.isel(threshold=t)
        middle = float(threshold["completeness"].sel(quantile=0.5))
        ends = [float(threshold[end].sel(level=0.95)) for end in ("lower", "upper")]
        assert f"{middle:.3f} (median; 0.6827: " in told.output
        assert f"0.95: {ends[0]:.3f} to {ends[1]:.3f}); {int(threshold['n_detected'])} of 24 trials" in told.output
    assert "population of hosts: survey" in told.output
    assert "population of hosts: lens-like" in asked(place, "--population", "lens-like").output
    refused = asked(place, "--population", "all")
    assert refused.exit_code == 1
    assert "the cube has the populations survey, lens-like, not 'all'" in refused.output


def test_a_systematic_part_of_nothing_has_one_sign():
    from lenscal.cli.query import _below_and_above

    assert _below_and_above(-1e-17, -0.0) == "-0.000 +0.000"
    assert _below_and_above(0.02, 0.0312) == "-0.020 +0.031"


def test_what_is_lost_changed_absent_or_of_another_version_is_refused(place, tmp_path):
    said = {}
    for name in ("lost", "turned", "older", "open"):
        copy = tmp_path / name / "completeness.zarr"
        shutil.copytree(place, copy)
        if name == "lost":
            for chunk in [path for path in (copy / "n_detected" / "c").rglob("*") if path.is_file()]:
                chunk.unlink()
        elif name == "turned":
            chunk = next(path for path in (copy / "completeness" / "c").rglob("*") if path.is_file())
            content = bytearray(chunk.read_bytes())
            content[len(content) // 2] ^= 1
            chunk.write_bytes(content)
        else:
            text = (copy / "zarr.json").read_text()
            old, new = ('"schema_version": 1', '"schema_version": 99') if name == "older" else ("content_", "no_")
            assert old in text
            (copy / "zarr.json").write_text(text.replace(old, new))
        said[name] = asked(copy)
        assert said[name].exit_code == 1
    flat = {name: " ".join(told.output.split()) for name, told in said.items()}
    assert "does not hold what was written (a chunk was lost or changed)" in flat["lost"]
    assert "cannot be read: " in flat["turned"]
    assert "run the stage that writes it again" in flat["turned"]
    assert "was written with schema version 99, this lenscal reads version 1" in flat["older"]
    assert "is no store that is written whole" in flat["open"]
    assert "is no Zarr store; run the stage that writes it first" in " ".join(
        asked(tmp_path / "no.zarr").output.split()
    )


def test_a_query_loads_neither_xarray_nor_pandas(place):
    command = ["query", str(place), "--theta-e", "1.5", "--psf", "1.1", "--depth", "23.5"]
    code = (
        "import sys; from lenscal.cli import app\n"
        f"try: app({command!r})\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "heavy = {'xarray', 'pandas', 'dask', 'scipy', 'astropy', 'torch', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "median" in done.stdout


def test_a_light_reading_takes_places_as_a_dataset_does():
    one = xr.Dataset({"a": (("x", "y"), np.arange(6).reshape(2, 3))}, {"x": [10, 20], "y": [1, 2, 3]})
    arrays = {str(n): light.Array(tuple(map(str, v.dims)), v.values) for n, v in one.variables.items()}
    found = light.Light(arrays, {"b": 1})
    for places, drop in (({"x": 1}, False), ({"x": 1}, True), ({"x": 0, "y": 2}, True)):
        expected = one.isel(places, drop=drop)
        picked = found.isel(places, drop=drop)
        assert set(picked) == set(map(str, expected.variables))
        np.testing.assert_array_equal(picked["a"].values, expected["a"].values)
    assert found.assign_attrs(b=2).attrs == {"b": 2}
    assert found.attrs == {"b": 1}
