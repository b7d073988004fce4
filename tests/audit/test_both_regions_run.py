"""A run of south and north goes the whole way, says of every row of which region it is, and counts by it; what it
cannot do it says before any work, and runs of one region know nothing of it."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from astropy.io import fits
from finished import SMALL, finish, runfile
from loops import in_process
from release_skies import rewritten
from typer.testing import CliRunner

from lenscal import config, schema
from lenscal.audit import Run, closed_loop, run
from lenscal.audit.stages import STAGES
from lenscal.audit.truth import read_truth
from lenscal.cli import app
from lenscal.engine import InProcess
from lenscal.errors import LenscalError
from lenscal.selection import found_missed

pytestmark = pytest.mark.filterwarnings("ignore")

BOTH = schema.release("dr11", "both")
RUNNER = CliRunner()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("regions")


@pytest.fixture(scope="module")
def settings(folder):
    """Of a finished run of both, its detector too."""
    changes = {
        "sky": SMALL["sky"] | {"release": "dr11", "region": "both"},
        "survey": {"layout": "dr11", "region": "both", "randoms": ["stores/sky/randoms/randoms-1-0.fits"]},
        "manifest": SMALL["manifest"] | {"dec_range_degree": [-90, 90]},
        "completeness": {"axes": {"region": None}, "false_positive_rates": [0.1]},
    }
    return finish(runfile(folder, "both", **changes), sky=True)


@pytest.fixture(scope="module")
def done(settings):
    return Run(settings)


def texts(array):
    return np.array(array.values.ravel().tolist(), str).reshape(array.shape)


def own_region(table):
    return BOTH.region_at(np.asarray(table["ra"], float), np.asarray(table["dec"], float))


# ---------------------------------------------------------------- from the sweeps to the cube


def test_every_stage_is_done_to_the_report(done):
    assert {path.parent.name for path in done.plans.glob("*/done.json")} >= set(STAGES)
    page = (done.folder / "report/index.html").read_text()
    for table in ("false_positives", "missed", "judged_strata"):
        assert f'table={table}">region</td>' in page


def test_every_row_says_of_which_region_it_is(done):
    manifest = done.manifest
    assert (manifest["region"] == own_region(manifest)).all()
    assert set(manifest["region"]) == {"south", "north"}
    assert not manifest["galaxy_id"].duplicated().any()
    codes = manifest.groupby("region")["release"].agg(set)
    assert codes.to_dict() == {"south": {11010}, "north": {11011}}
    cutouts, scores = done.store("cutouts").load(), done.store("scores", "cutouts").load()
    for store in (cutouts, scores):
        np.testing.assert_array_equal(texts(store["region"]), manifest["region"].to_numpy(str))
    ok = texts(cutouts["failure"]) == ""
    folders = np.char.partition(texts(cutouts["cutout_url"]), "/")[:, 0]
    np.testing.assert_array_equal(folders[ok], texts(cutouts["region"])[ok])
    region = manifest.set_index("galaxy_id")["region"]
    hosts = done.table("hosts.parquet")
    assert (hosts["region"].to_numpy() == region.loc[hosts["galaxy_id"]].to_numpy()).all()
    injected = done.store("injections").load()
    ids = injected["galaxy_id"].values.ravel()
    held = texts(injected["region"]).ravel()
    assert set(held[ids >= 0]) <= {"south", "north"}
    np.testing.assert_array_equal(held[ids >= 0], region.loc[ids[ids >= 0]].to_numpy(str))


def test_the_gain_of_coarse_pixels_is_held_against_weights_that_share_their_noise(done):
    injected = done.store("injections").load()
    made = texts(injected["failure"]) == ""
    north = made & (texts(injected["region"]) == "north")
    assert north.sum() > 5
    for b, band in enumerate(injected["band"].values.tolist()):
        ratio = injected["gain_ratio"].values[..., b][north]
        assert np.median(ratio) == pytest.approx(1, abs=0.4), band
        assert (ratio > 0.5).all(), band


def test_completeness_has_the_region_as_an_axis(done):
    cube = done.store("completeness_by_axes").load()
    trials = done.store("injections").load()
    scored = np.isfinite(done.store("scores", "injections")["score"].values)
    held = texts(trials["region"])
    assert cube["region"].values.tolist() == sorted(set(held[scored]))
    for region in cube["region"].values.tolist():
        assert int(cube["n_injected"].sel(region=region).sum()) == (held == region)[scored].sum()
    table, dictionary = found_missed(trials, done.store("scores", "injections").load(), done.store("thresholds").load())
    assert (table["region"] != "").all()
    assert "region" in set(dictionary["column"])


def test_rates_and_calibration_are_told_by_region(done):
    scores = done.store("scores", "cutouts").load()
    negative = np.isin(texts(scores["pool"]), ["N1", "N2"]) & (scores["label"].values == 0)
    judged = negative & (texts(scores["split"]) == "test") & np.isfinite(scores["score"].values)
    rates = done.table("failures/false_positives.parquet")
    rates = rates[rates["group"] == "region"].groupby("value")["n"].first()
    for region, count in rates.items():
        assert count == (judged & (texts(scores["region"]) == region)).sum()
    assert rates.sum() == judged.sum()
    missed = done.table("failures/missed.parquet")
    assert missed.loc[missed["group"] == "region", "n"].sum() == missed.loc[missed["group"] == "all", "n"].sum()
    strata = [pd.read_parquet(path) for path in done.folder.glob("judgement/*strata*.parquet")]
    assert any((table["group"] == "region").any() for table in strata)


def test_files_are_told_apart_wherever_a_run_names_them(done):
    files = done.table("objects/files.parquet")["sweep_file"]
    names = files.astype(str).unique()
    assert {name.split("-", 1)[0] for name in names} == {"south", "north"}
    bare = [name.split("-", 1)[1] for name in names]
    assert len(set(bare)) < len(bare)
    markers = [json.loads(path.read_text()) for path in (done.plans / "objects" / "blocks").glob("*.json")]
    assert {name for marker in markers for name in marker["sources"]} == set(names)
    cut = [json.loads(path.read_text()) for path in (done.plans / "cutouts" / "blocks").glob("*.json")]
    assert {name.split("/")[0] for marker in cut for name in marker["sources"]} == {"south", "north"}


def test_a_brick_of_one_region_that_changes_has_its_cutouts_done_again_and_nothing_else_is(done, settings):
    before = {path: path.stat().st_mtime_ns for path in done.plans.glob("*/done.json")}
    run(settings, ["objects", "manifest", "cutouts"], executor=InProcess())
    assert {path: path.stat().st_mtime_ns for path in done.plans.glob("*/done.json")} == before
    url = str(texts(done.store("cutouts")["cutout_url"])[done.manifest["region"] == "north"][0])
    plane = Path(settings.survey.root) / url.split(" ")[0].replace("{band}", "g")
    plane = plane if plane.is_file() else next(plane.parent.glob("*-image-g.fits.fz"))
    os.utime(plane)
    name = f"north/{plane.parent.name}"
    known = [json.loads(path.read_text())["sources"] for path in (done.plans / "cutouts" / "blocks").glob("*.json")]
    assert any(sources.get(name) not in (None, done.survey.version(name)) for sources in known)
    assert all(
        version == done.survey.version(one) for sources in known for one, version in sources.items() if one != name
    )


def test_true_lenses_of_a_sky_of_both_are_found_in_its_catalogue(settings):
    rows = closed_loop._rows(settings)
    truth = read_truth(settings.survey.root)
    lenses = truth[truth["kind"] == "lens"]
    assert len(rows) >= len(lenses) - 1
    assert set(rows["galaxy_id"]) <= set(lenses["galaxy_id"])
    assert not rows["galaxy_id"].duplicated().any()


def test_a_run_of_one_region_of_the_same_sky_knows_nothing_of_regions(folder, settings):
    raw = yaml.safe_load((folder / "both.yaml").read_text())
    raw |= {"name": "south", "stores": "stores/south", "sky": None}
    raw["survey"] |= {"region": "south", "randoms": []}
    raw["completeness"] = {"false_positive_rates": [0.1]}
    (folder / "south.yaml").write_text(yaml.safe_dump(raw))
    one = config.load(folder / "south.yaml")
    run(one, ["objects", "manifest", "cutouts"], executor=InProcess())
    south = Run(one)
    assert "region" not in south.manifest
    assert "region" not in south.store("cutouts").variables
    assert set(south.manifest["release"]) == {11010}
    assert south.table("objects/files.parquet")["sweep_file"].str.startswith("sweep-").all()
    checked = json.loads((south.plans / "objects" / "done.json").read_text())["gates"]
    assert {gate["id"]: gate["verdict"] for gate in checked}["objects.checksums"] == "pass"


# ---------------------------------------------------------------- refused before any work


class Begun(LenscalError):
    """A run got as far as its first stage."""


def begin(*_):
    raise Begun("work has begun")


def without(*places):
    def change(root, raw):
        for place in places:
            path = root / place
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return change


def first_row_of(code):
    def change(root, raw):
        path = sorted((root / "north/sweep/11.0").iterdir())[0]
        codes = np.asarray(fits.getdata(path)["RELEASE"], "i2").copy()
        codes[0] = code
        rewritten(path, {"RELEASE": codes})

    return change


def points_of_one(root, raw):
    path = root / "randoms/randoms-1-0.fits"
    rewritten(path, {"PHOTSYS": np.full(len(fits.getdata(path)), "S", "S1")})


def key(section, name, value):
    def change(root, raw):
        raw[section][name] = value

    return change


FAULTS = {
    "no sweeps of the north": without("north/sweep"),
    "no sweeps of the south": without("south/sweep"),
    "no table of bricks of the north": without("north/survey-bricks-dr11-north.fits.gz"),
    "no coadds of the north": without("north/coadd"),
    "points of one region": points_of_one,
    "a code of neither": first_row_of(23000),
    "the code of the other": first_row_of(11010),
    "i of both": key("survey", "bands", ["g", "r", "i", "z"]),
    "one layer for both": key("survey", "layer", "ls-dr11-south"),
    "no galaxy of the north": key("manifest", "dec_range_degree", [-90, 30]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_one_region_lacks_is_refused_by_preflight_and_by_a_run_alike(
    folder, settings, tmp_path, monkeypatch, fault
):
    in_process(monkeypatch)
    monkeypatch.setattr("lenscal.engine.running.carry_out", begin)
    sky = tmp_path / "stores/sky"
    shutil.copytree(settings.survey.root, sky)
    (sky / "sha256sums.txt").unlink()
    raw = yaml.safe_load((folder / "both.yaml").read_text())
    raw["stores"] = "stores/new"
    FAULTS[fault](sky, raw)
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(raw))
    asked = RUNNER.invoke(app, ["preflight", str(tmp_path / "run.yaml")], env={"COLUMNS": "200000"})
    ran = RUNNER.invoke(app, ["run", str(tmp_path / "run.yaml"), "--quiet"], env={"COLUMNS": "200000"})
    said = " ".join(ran.stderr.split()).removeprefix("error: ")
    assert (asked.exit_code, ran.exit_code) == (1, 1), ran.output
    assert said != "work has begun"
    assert said in " ".join(asked.output.split()), f"run: {said}\npreflight: {asked.output}"
