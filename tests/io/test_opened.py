"""A finished run is opened by its folder alone, product by product, and what is not finished or not there is named."""

import json
import re

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from places import ROOT

import lenscal as lc
from lenscal import config, schema
from lenscal.completeness import posterior
from lenscal.io import stores

PAGE = (ROOT / "docs" / "library.md").read_text()


def cube():
    """Four hosts in each of two cells, one trial for each theta_e."""
    hosts = np.arange(8)
    shape = (2, 1, 2)
    counts = xr.Dataset(
        {
            "n_injected": (schema.CELL, np.full(shape, 4)),
            "n_failed": (schema.CELL, np.zeros(shape, int)),
            "n_hosts": (schema.CELL, np.full(shape, 4)),
            "n_detected": ((*schema.CELL, "threshold"), np.array([[[1, 2]], [[3, 4]]])[..., None]),
            "host_injected": (("theta_e", "host"), np.ones((2, 8), int)),
            "host_detected": (
                ("theta_e", "threshold", "host"),
                np.array([[1, 0, 0, 0, 1, 1, 0, 0], [1, 1, 1, 0, 1, 1, 1, 1]])[:, None],
            ),
        },
        {
            "theta_e": [1.0, 1.5],
            "psf_fwhm": [1.25],
            "depth": [23.5, 24.0],
            "threshold": [0.0],
            "false_positive_rate": ("threshold", [0.01]),
            "host_id": ("host", hosts),
            "host_psf_fwhm": ("host", np.full(8, 1.25)),
            "host_depth": ("host", np.repeat([23.5, 24.0], 4)),
        },
        {"detector_hash": "ab" * 32},
    )
    found = posterior(schema.COMPLETENESS.describe(counts), config.Completeness())
    sky = {"area": (("psf_fwhm", "depth"), np.ones((1, 2))), "host_pool": (("psf_fwhm", "depth"), np.full((1, 2), 4))}
    units = {"theta_e": "arcsec", "psf_fwhm": "arcsec", "depth": "mag(AB)"}
    return found.assign(sky).assign_coords({dim: found[dim].assign_attrs(units=unit) for dim, unit in units.items()})


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "stores" / "small"
    (folder / "objects" / "galaxies" / "dataset").mkdir(parents=True)
    (folder / "manifest").mkdir()
    (folder / "report").mkdir()
    (folder / ".plan" / "completeness").mkdir(parents=True)
    (folder / ".plan" / "completeness" / "done.json").write_text("{}")
    stores.write(folder / "completeness.zarr", schema.COMPLETENESS, cube(), {"half_width_psf_fwhm": 0.15})
    stores.write_group(folder / "scores.zarr", xr.Dataset(attrs={"schema_version": schema.VERSION}))
    stores.write_group(
        folder / "scores.zarr",
        xr.Dataset({"score": ("galaxy", [1.0, 2.0])}, attrs={"schema_version": schema.VERSION}),
        "cutouts",
    )
    for part in (0, 1):
        stores.write_table(folder / "manifest" / f"part-{part}.parquet", pd.DataFrame({"galaxy_id": [part]}))
        stores.write_table(
            folder / "objects" / "galaxies" / "dataset" / f"{part}.parquet", pd.DataFrame({"galaxy_id": [part, part]})
        )
    stores.write_table(folder / "objects" / "lenses.parquet", pd.DataFrame({"lens_id": ["J1"]}))
    stores.write_table(folder / "hosts.parquet", pd.DataFrame({"galaxy_id": [5]}))
    (folder / "gates.json").write_text(json.dumps([{"id": "rows.objects", "verdict": "pass"}]))
    return folder


def test_every_product_has_its_name_and_kind(folder):
    run = lc.open_run(folder)
    assert list(run) == ["completeness", "hosts", "manifest", "objects/galaxies", "objects/lenses", "scores/cutouts"]
    assert run["manifest"]["galaxy_id"].tolist() == [0, 1]
    assert len(run["objects/galaxies"].compute()) == 4
    assert type(run["objects/galaxies"]).__module__.startswith("dask")
    assert run["scores/cutouts"]["score"].values.tolist() == [1, 2]
    assert run["objects/lenses"]["lens_id"].tolist() == ["J1"]
    assert run.gates["id"].tolist() == ["rows.objects"]
    assert "completeness" in run
    assert len(run) == 6
    assert str(folder) in repr(run)


def test_the_lines_of_the_page_run(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder.parents[1])
    exec(re.search(r"```python no-run\n(.*?)```", PAGE, re.S).group(1), {"lc": lc})
    assert "insufficient" in capsys.readouterr().out


def test_a_product_that_is_none_or_not_finished_is_refused(folder):
    run = lc.open_run(str(folder))
    with pytest.raises(KeyError, match="no product 'cutouts'; it has completeness, hosts"):
        run["cutouts"]
    (folder / ".plan" / "completeness" / "done.json").unlink()
    with pytest.raises(lc.StoreError, match=r"the stage completeness of the run .* is not finished; finish it first"):
        run["completeness"]
    assert len(run["hosts"]) == 1, "a folder that was copied without its plans is taken as it is"
    (folder / ".plan" / "injections").mkdir()
    with pytest.raises(lc.StoreError, match="the stage injections"):
        run["hosts"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere", "is no folder; expected the stores of a run"),
        ("empty", "holds no product of a run"),
        ("file", "is no folder"),
    ],
)
def test_a_folder_that_is_no_run_is_refused(tmp_path, name, message):
    (tmp_path / "empty" / ".plan").mkdir(parents=True)
    (tmp_path / "file").touch()
    with pytest.raises(lc.StoreError, match=message):
        lc.open_run(tmp_path / name)


def test_a_bucket_is_refused_with_what_opens_its_stores():
    with pytest.raises(lc.StoreError, match=r"lenscal.open_store\('s3://bucket/run/completeness.zarr'\)"):
        lc.open_run("s3://bucket/run")


def test_gates_that_are_not_written_yet_are_named(folder):
    (folder / "gates.json").write_text("[{")
    with pytest.raises(lc.StoreError, match="written when a run ends"):
        _ = lc.open_run(folder).gates
    (folder / "gates.json").unlink()
    with pytest.raises(lc.StoreError, match="written when a run ends"):
        _ = lc.open_run(folder).gates


def test_a_catalogue_of_a_run_that_is_not_there_says_which_are(tmp_path):
    (tmp_path / "stores" / "mine").mkdir(parents=True)
    (tmp_path / "catalogs.yaml").write_text("version: 2\n")
    with pytest.raises(lc.ConfigError, match=r"no run 'nope' in '.*' \(mine\).*open_run"):
        lc.open_catalog(run="nope", path=tmp_path / "catalogs.yaml")
