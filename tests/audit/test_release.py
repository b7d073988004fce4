"""A release is a run that others can open, whole or not there, with the run's numbers and none else."""

import io
import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml
from crates import FILE, broken, entities, issues
from places import ROOT

import lenscal
from lenscal import completeness, config
from lenscal.audit import Run
from lenscal.audit import release as releasing
from lenscal.audit.release import release
from lenscal.errors import InputError
from lenscal.io import described, stores

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def place(finished):
    return Run(config.load(finished))


@pytest.fixture(scope="module")
def out(finished, place, tmp_path_factory):
    folder = tmp_path_factory.mktemp("released") / "release"
    release(place, finished, folder, "CC-BY-4.0", ["Doe, Jane, 0000-0002-1825-0097", "The Survey Team"])
    return folder


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_release_is_a_crate_whose_every_file_is_described(out):
    assert broken(out) == []
    found = entities(out)
    assert found["./"]["license"] == {"@id": "https://creativecommons.org/licenses/by/4.0/"}
    assert found["https://orcid.org/0000-0002-1825-0097"]["name"] == "Jane Doe"
    assert found["#the-survey-team"]["@type"] == "Organization"
    assert found["found-missed.fits"]["contentSize"] == str((out / "found-missed.fits").stat().st_size)


def test_the_validator_of_ro_crate_finds_nothing_that_is_required_and_missing(out, monkeypatch):
    pytest.importorskip("rocrate_validator")
    assert issues(out, monkeypatch) == []


def test_what_is_wrong_with_a_crate_is_found(out, tmp_path):
    folder = tmp_path / "spoilt"
    shutil.copytree(out, folder)
    (folder / "more.txt").write_text("unlisted")
    (folder / "LICENSE").unlink()
    text = json.loads((folder / FILE).read_text())
    del next(one for one in text["@graph"] if one["@id"] == "./")["license"]
    (folder / FILE).write_text(json.dumps(text))
    assert broken(folder) == ["the root has no license", "LICENSE is no file of the folder", "more.txt is in no part"]


def test_an_outsider_opens_everything_without_lenscal_and_without_a_warning(out):
    code = """
import warnings; warnings.simplefilter("error")
import pandas as pd, xarray as xr
from astropy.table import Table
cube = xr.open_zarr("completeness.zarr").load()
assert xr.open_dataset("completeness.nc").load().equals(cube)
for name in ("completeness", "found-missed"):
    flat, fits = pd.read_parquet(name + ".parquet"), Table.read(name + ".fits")
    assert len(flat) == len(fits) and list(flat) == fits.colnames, name
print(len(flat), pd.read_csv("data-dictionary.csv").shape[1])
import sys; assert "lenscal" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-I", "-c", code], cwd=out, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["72", "5"]
    sums = subprocess.run(
        ["sha256sum", "--strict", "--quiet", "-c", "checksums.sha256"], cwd=out, capture_output=True, check=False
    )
    assert sums.returncode == 0, sums.stdout


def test_the_lines_of_the_readme_run(out):
    lines = re.search(r"```python\n(.*?)```", (out / "README.md").read_text(), re.S)[1]
    code = lines + "print(float(cell.mean()), len(trials))"
    done = subprocess.run([sys.executable, "-I", "-c", code], cwd=out, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_number_of_a_release_is_that_of_the_run(out, place):
    cube = place.store("completeness").load()
    xr.testing.assert_equal(xr.open_zarr(out / "completeness.zarr").load(), cube)
    trials = pd.read_parquet(out / "found-missed.parquet")
    threshold = place.store("thresholds")["threshold"].values[0]
    scores, injections = place.store("scores", "injections"), place.store("injections")
    of = dict(zip(injections["injection_id"].values.ravel(), scores["score"].values.ravel()))
    np.testing.assert_array_equal(trials["score"], [of[id_] for id_ in trials["injection_id"]])
    scored = trials[trials["score"].notna()]
    np.testing.assert_array_equal(scored["found_fpr_0p05"], scored["score"] >= threshold)
    rows = pd.read_parquet(out / "completeness.parquet")
    for row in rows.to_dict("records"):
        one = completeness.of_population(cube, row["population"]).isel(threshold=0)
        cell = one.sel(theta_e=row["theta_e"], psf_fwhm=row["psf_fwhm"], depth=row["depth"])
        assert row["n_detected"] == int(cell["n_detected"])
        assert row["completeness"] == float(cell["completeness"].sel(quantile=0.5))
        np.testing.assert_equal(row["total_upper_95"], float(cell["total_upper"].sel(level=0.95)))
        assert row["theta_e_low"] < row["theta_e"] < row["theta_e_high"]
        inside = (trials["cell_theta_e"] == row["theta_e"]) & (trials["cell_psf_fwhm"] == row["psf_fwhm"])
        assert trials.loc[inside, "found_fpr_0p05"].sum() == row["n_detected"]
    said = {float(r): v for r, v in re.findall(r"^\| ([\d.]+) \| ([\d.]+) \|", (out / "README.md").read_text(), re.M)}
    mean = completeness.marginalise(cube)
    for radius in cube["theta_e"].values:
        number = float(mean["completeness"].sel(theta_e=radius, quantile=0.5).item())
        assert said[radius] == f"{number:.3f}"


def test_the_same_run_gives_the_same_bytes_in_another_process_and_at_another_hour(out, finished, tmp_path):
    words = [str(finished), str(tmp_path / "again"), "--author", "Doe, Jane, 0000-0002-1825-0097"]
    environment = os.environ | {"PYTHONHASHSEED": "77", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "lenscal", "release", *words, "--author", "The Survey Team"],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "again") == contents(out)


def test_a_citation_and_a_licence_say_who_and_how(out):
    cited = yaml.safe_load((out / "CITATION.cff").read_text())
    assert cited["license"] == "CC-BY-4.0"
    assert cited["authors"] == [
        {"family-names": "Doe", "given-names": "Jane", "orcid": "https://orcid.org/0000-0002-1825-0097"},
        {"name": "The Survey Team"},
    ]
    assert cited["date-released"] == "2026-11-24"
    assert "SPDX-License-Identifier: CC-BY-4.0" in (out / "LICENSE").read_text()


@pytest.mark.parametrize(
    ("licence", "authors", "said"),
    [
        ("GPL", [], "the licence is 'GPL', expected one of CC-BY-4.0"),
        ("CC0-1.0", ["Doe, Jane, 123"], "the ORCID of 'Doe' is '123'"),
        ("CC0-1.0", [" "], "expected 'Family, Given'"),
        ("CC0-1.0", ["Doe, "], "expected 'Family, Given'"),
    ],
)
def test_a_licence_or_an_author_that_is_none_is_refused(place, finished, tmp_path, licence, authors, said):
    with pytest.raises(InputError, match=said):
        release(place, finished, tmp_path / "new", licence, authors)
    assert not (tmp_path / "new").exists()


def test_a_folder_with_anything_else_is_refused_and_a_former_release_is_replaced(place, finished, out, tmp_path):
    full = tmp_path / "full"
    full.mkdir()
    (full / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match=r"not empty and no release of lenscal .it holds thesis\.txt"):
        release(place, finished, full)
    assert contents(full) == {"thesis.txt": b"mine"}
    with pytest.raises(InputError, match="is a file or a link"):
        release(place, finished, full / "thesis.txt")
    former = tmp_path / "former"
    shutil.copytree(out, former)
    (former / "README.md").write_text("old")
    release(place, finished, former)
    assert (former / "README.md").read_text().startswith("# Completeness")
    (former / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"files that are not of it, and would be lost: notes\.txt"):
        release(place, finished, former)
    assert (former / "notes.txt").read_text() == "mine"


def test_a_release_that_stops_leaves_nothing_that_looks_finished(place, finished, out, tmp_path, monkeypatch):
    former = tmp_path / "former"
    shutil.copytree(out, former)

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(releasing.crate, "metadata", stop)
    for folder in (tmp_path / "new", former):
        with pytest.raises(KeyboardInterrupt):
            release(place, finished, folder)
    assert [path.name for path in tmp_path.iterdir()] == ["former"]
    assert contents(former) == contents(out)


def test_a_run_that_is_not_finished_or_not_as_written_is_not_released(finished, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(finished.parent, folder)
    copy = Run(config.load(folder / "one.yaml"))
    numbers = copy.folder / "report" / "numbers.json"
    kept = numbers.read_text()
    rows = json.loads(kept)
    row = next(row for row in rows if isinstance(row["value"], int) and not isinstance(row["value"], bool))
    row["value"] += 1
    numbers.write_text(json.dumps(rows))
    with pytest.raises(InputError, match="differ from what was written: report, number"):
        release(copy, finished, tmp_path / "new")
    numbers.write_text(kept)
    shutil.rmtree(copy.plans / "report")
    with pytest.raises(InputError, match="the stage report of 'one' is not complete"):
        release(copy, finished, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_table_whose_columns_are_not_described_once_each_is_refused():
    table = pd.DataFrame({"a": [1], "b": [2.0]})
    about = pd.DataFrame({"column": ["a", "c"], "unit": ["1", "1"], "description": ["x", "y"]})
    with pytest.raises(InputError, match="without one: b; described and not there: c"):
        described.parquet(table, about)
    odd = pd.DataFrame({"a": np.array([1], "u8")})
    with pytest.raises(InputError, match="'a' is uint64, which FITS cannot hold"):
        described.fits(odd, about[:1], "T", {})


def test_units_are_those_of_the_fits_standard_or_stand_in_the_comment():
    from astropy.io import fits

    table = pd.DataFrame({"flux": [1.0], "angle": [2.0], "mag": [3.0]})
    about = pd.DataFrame(
        {"column": list(table), "unit": ["nanomaggy", "radian", "mag(AB)"], "description": ["light", "turn", "r"]}
    )
    with fits.open(io.BytesIO(described.fits(table, about, "T", {"RUN": ("one", "")}))) as hdus:
        header = hdus[1].header
        assert [header.get(f"TUNIT{n}") for n in (1, 2, 3)] == [None, "rad", "mag"]
        assert [header[f"TCOMM{n}"] for n in (1, 2, 3)] == ["light [nanomaggy]", "turn", "r [mag(AB)]"]


def test_a_release_can_be_opened_by_lenscal_too(out):
    found = lenscal.SelectionFunction.from_run(lenscal.open_store(out / "completeness.zarr"))
    assert found.query({"theta_e": 1.5, "psf_fwhm": 1.1, "depth": 23.5})["status"].item() != "outside"
    assert stores.open(out / "completeness.zarr").attrs["run"] == "one"
