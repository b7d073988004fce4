"""Programs of others read what a run left: each holds the numbers that lenscal reads itself. Those that are not
installed are skipped by name.
"""

import warnings

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from lenscal import config
from lenscal.cli import app
from lenscal.io import opened, trees
from lenscal.io.folders import StoreError

NUMBERS = [
    ("completeness.zarr", "completeness"),
    ("completeness.zarr", "n_detected"),
    ("cutouts.zarr", "image"),
    ("injections.zarr", "theta_e_drawn"),
    ("scores.zarr/injections", "score"),
    ("thresholds.zarr", "threshold"),
]
TEXTS = [("cutouts.zarr", "type"), ("completeness.zarr", "status")]


@pytest.fixture(scope="module")
def folder(finished):
    return config.load(finished).stores


@pytest.fixture(scope="module")
def leaves(folder):
    return [str(path) for path in sorted(folder.glob("objects/galaxies/dataset/**/*.parquet"))]


def ours(folder, store, name):
    """Values as lenscal's own way of reading has them, whatever the reader of others decodes."""
    top, _, group = store.partition("/")
    return xr.open_zarr(folder / top, group=group or None)[name].values


@pytest.mark.parametrize(("store", "name"), NUMBERS)
def test_tensorstore_reads_every_number(folder, store, name):
    pytest.importorskip("tensorstore")
    import tensorstore

    place = {"driver": "file", "path": str((folder / store / name).resolve())}
    found = tensorstore.open({"driver": "zarr3", "kvstore": place}).result()
    np.testing.assert_array_equal(found.read().result(), ours(folder, store, name))


def test_tensorstore_says_that_it_has_no_texts(folder):
    """Should it learn to read them, the table of readers in docs/how-to/other-tools.md is out of date."""
    pytest.importorskip("tensorstore")
    import tensorstore

    place = {"driver": "file", "path": str((folder / "cutouts.zarr" / "type").resolve())}
    with pytest.raises(ValueError, match="string data type is not one of the supported"):
        tensorstore.open({"driver": "zarr3", "kvstore": place}).result()


@pytest.mark.parametrize(("store", "name"), NUMBERS + TEXTS)
def test_zarrs_reads_every_number_and_text(folder, store, name):
    pytest.importorskip("zarrs")
    import zarr
    import zarrs  # noqa: F401 (its name below is all that zarr needs)

    with zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"}):
        found = zarr.open_array(folder / store / name, mode="r")[...]
    np.testing.assert_array_equal(found, ours(folder, store, name))


@pytest.mark.parametrize(("store", "name"), [pair for pair in NUMBERS if "/" not in pair[0]])
def test_virtualizarr_refers_to_the_chunks_where_they_lie(folder, store, name):
    pytest.importorskip("virtualizarr")
    import arro3.core  # noqa: F401 (its parser lists chunks with it, and does not ask for it)
    from obspec_utils.registry import ObjectStoreRegistry
    from obstore.store import LocalStore
    from virtualizarr.parsers import ZarrParser

    registry = ObjectStoreRegistry({"file://": LocalStore()})
    texts = [name for name, one in xr.open_zarr(folder / store).variables.items() if one.dtype.kind in "OTU"]
    parser = ZarrParser(skip_variables=texts)
    manifests = parser(url=f"file://{(folder / store).resolve()}", registry=registry)
    found = xr.open_zarr(manifests, consolidated=False, zarr_format=3)
    np.testing.assert_array_equal(found[name].values, ours(folder, store, name))


def test_duckdb_and_polars_take_numbers_that_are_not_known_for_nothing_and_not_for_the_largest(leaves):
    for name in ("duckdb", "polars"):
        pytest.importorskip(name)
    import duckdb
    import polars

    table = pd.concat([pd.read_parquet(path) for path in leaves])
    assert table["mag_g"].isna().any()
    deep = int((table["mag_g"] > 22).sum())
    wanted = len(table), int(table["mag_g"].count()), float(table["mag_g"].max()), deep
    sql = "select count(*), count(mag_g), max(mag_g), count(*) filter (where mag_g > 22) from read_parquet($files)"
    assert duckdb.connect().execute(sql, {"files": leaves}).fetchone() == pytest.approx(wanted)
    magnitude = polars.col("mag_g")
    one = polars.scan_parquet(leaves, hive_partitioning=False).select(
        polars.len(), magnitude.count(), magnitude.max().alias("most"), (magnitude > 22).sum().alias("deep")
    )
    assert one.collect().row(0) == pytest.approx(wanted)
    kinds = duckdb.connect().execute("select type, count(*) from read_parquet($files) group by 1", {"files": leaves})
    assert dict(kinds.fetchall()) == table["type"].value_counts().to_dict()


def test_one_tree_holds_cubes_false_positives_gates_and_allocations(finished, folder, tmp_path):
    from typer.testing import CliRunner

    done = CliRunner().invoke(app, ["export", str(finished), str(tmp_path / "audit.zarr"), "--format", "tree"])
    assert done.exit_code == 0, done.output
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = xr.open_datatree(tmp_path / "audit.zarr", engine="zarr").load()
    run = opened.open_run(folder)
    assert {"completeness", "completeness_map", "false_positives", "gates", "allocations"} <= set(found.children)
    xr.testing.assert_equal(found["completeness"].to_dataset(), run["completeness"].load())
    xr.testing.assert_equal(found["false_positives"].to_dataset(), run["thresholds"].load())
    gates = run.gates
    assert found["gates"]["verdict"].values.tolist() == gates["verdict"].tolist()
    np.testing.assert_array_equal(found["gates"]["value"].values, gates["value"].to_numpy(float))
    strata = run["manifest-notes/strata"]
    assert found["allocations"]["shortfall"].values.tolist() == strata["shortfall"].tolist()
    assert found["allocations"]["nobs_z_bin"].values.tolist() == strata["nobs_z_bin"].tolist()
    assert found.attrs["run"] == run["completeness"].attrs["run"]


def test_a_tree_is_not_written_over_what_is_there_or_of_a_run_without_a_cube(finished, folder, tmp_path):
    (tmp_path / "there").mkdir()
    with pytest.raises(StoreError, match="is there; name another place"):
        trees.write(opened.open_run(folder), tmp_path / "there")
    (tmp_path / "half" / "objects").mkdir(parents=True)
    (tmp_path / "half" / "objects" / "matches.parquet").write_bytes(
        (folder / "objects" / "matches.parquet").read_bytes()
    )
    with pytest.raises(StoreError, match="has no cube yet; finish it first"):
        trees.write(opened.open_run(tmp_path / "half"), tmp_path / "half.zarr")
    assert not (tmp_path / "half.zarr").exists()


def test_a_column_of_texts_that_look_like_numbers_stays_text():
    found = trees.rows(pd.DataFrame({"id": ["007", "1e3"], "n": [1, 2], "x": [None, 0.5], "ok": [True, False]}), "row")
    assert found["id"].values.tolist() == ["007", "1e3"]
    assert [found[name].dtype.kind for name in ("n", "x", "ok")] == ["i", "f", "b"]


def test_the_summary_of_the_catalogue_has_its_counts_by_the_reader_of_its_layout(folder):
    hats = pytest.importorskip("hats")
    from hats.io.skymap import read_skymap

    place = folder / "objects" / "galaxies"
    footprint = pd.read_parquet(folder / "objects" / "footprint.parquet")
    counts = read_skymap(hats.read_hats(place), None)
    assert counts.sum() == footprint["rows"].sum()
    np.testing.assert_array_equal(counts[footprint["healpix_128"]], footprint["rows"])
    assert (place / "skymap.png").read_bytes()[:4] == b"\x89PNG"
    page = (place / "README.md").read_text()
    assert f"{footprint['rows'].sum():,} rows" in page
    assert "| psfsize_r | f4 | arcsec |" in page
