"""`lenscal map` writes a map that others open, from a finished run and from nothing else."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
import yaml
from typer.testing import CliRunner

from lenscal import completeness, config
from lenscal.audit import Run, sky
from lenscal.cli import app
from lenscal.cli.map import weights_of
from lenscal.errors import InputError

pytestmark = pytest.mark.filterwarnings("ignore")


def lenscal(*words):
    return CliRunner().invoke(app, ["map", *map(str, words)])


@pytest.fixture(scope="module")
def out(finished, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sky") / "map"
    done = lenscal(finished, folder, "--nside", 128)
    assert done.exit_code == 0, done.output
    return folder


def test_a_map_opens_without_lenscal_and_without_a_warning(out):
    code = """
import warnings; warnings.simplefilter("error")
import xarray as xr
one, other = xr.open_zarr("sky-map.zarr").load(), xr.open_dataset("sky-map.nc").load()
assert one.equals(other) and one["healpix"].attrs["refinement_level"] == 7
import sys; assert "lenscal" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-I", "-c", code], cwd=out, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in out.iterdir()} == {
        "sky-map.zarr",
        "sky-map.nc",
        "sky-map.png",
        "sky-map.pdf",
        "supported.moc.fits",
    }


def test_the_area_of_a_map_is_that_of_the_survey_and_its_mean_that_of_the_cube(out, finished):
    place = Run(config.load(finished))
    found = xr.open_zarr(out / "sky-map.zarr").load()
    assert float(found["area"].sum()) == pytest.approx(place.sky()["area"].sum())
    cube = place.store("completeness").load()
    known = (1 - found["unsupported"]) * found["area"]
    unknown = 1 - known.sum("cells") / found["area"].sum()
    mean = completeness.marginalise(cube)
    np.testing.assert_allclose(unknown, mean["unknown"], atol=1e-6)


def test_the_run_has_the_same_map_at_its_own_nside(finished):
    place = Run(config.load(finished))
    own = place.store("completeness_map").load()
    cube = place.store("completeness").load()
    again = completeness.sky_map(cube, sky.pieces(place, cube, 256), 256)
    np.testing.assert_array_equal(own["completeness"], again["completeness"].astype("f4"))
    np.testing.assert_array_equal(own["cell_ids"], again["cell_ids"])


def test_a_population_has_one_number_a_pixel(finished, tmp_path):
    done = lenscal(finished, tmp_path / "map", "--theta-e", "1.0=0.7", "--theta-e", "2.0=0.3", "--nside", 64)
    assert done.exit_code == 0, done.output
    found = xr.open_zarr(tmp_path / "map" / "sky-map.zarr")
    assert found["completeness"].dims == ("cells",)
    assert found.attrs["theta_e_weights"] == "1: 0.7, 2: 0.3"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--nside", 100], "nside is 100, expected a power of two"),
        (["--theta-e", "1.3"], "theta_e 1.3 is no centre of the cube"),
        (["--theta-e", "wide"], "--theta-e is 'wide', expected RADIUS or RADIUS=WEIGHT"),
        (["--theta-e", "1", "--theta-e", "1.0=2"], "names 1 twice"),
        (["--threshold", 3], "threshold is 3, the cube has 1"),
    ],
)
def test_what_makes_no_map_is_refused_in_one_sentence(finished, tmp_path, words, said):
    done = lenscal(finished, tmp_path / "map", *words)
    assert done.exit_code == 1
    assert said in done.stderr.replace("\n", " ")
    assert not (tmp_path / "map").exists()


def test_a_folder_with_anything_else_and_a_run_without_a_cube_are_refused(finished, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    done = lenscal(finished, tmp_path)
    assert done.exit_code == 1
    assert "holds something else than a map" in done.stderr
    path = tmp_path / "none.yaml"
    raw = yaml.safe_load(finished.read_text())
    raw["survey"]["root"] = str(finished.parent / "stores" / "sky")
    for one in (*raw["objects"]["lenses"], *raw["objects"]["contaminants"]):
        one["source"] = str(finished.parent / one["source"])
    raw["realism"]["source_stamps"] = str(finished.parent / raw["realism"]["source_stamps"])
    path.write_text(yaml.safe_dump(raw))
    done = lenscal(path, tmp_path / "map")
    assert done.exit_code == 1
    assert "not" in done.stderr


def test_stamps_are_no_footprint(finished):
    place = Run(config.load(finished))
    stamps = SimpleNamespace(settings=place.settings, survey=SimpleNamespace(has_catalogue=False))
    assert sky.pieces(stamps, place.store("completeness").load(), 64) is None


def test_weights_are_read_as_they_are_written():
    assert weights_of(None) is None
    assert weights_of(["1.5", "2=0.25"]) == {1.5: 1.0, 2.0: 0.25}
    with pytest.raises(InputError, match="names 2 twice"):
        weights_of(["2", "2.0"])
