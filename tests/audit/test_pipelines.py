"""The whole way of the data: same seed, same bytes, whatever the blocks and workers, and after a kill."""

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml
from places import TESTS as HERE

import lenscal
from lenscal import config, schema
from lenscal.audit import Run, run
from lenscal.audit.checks import verify_numbers, verify_stores
from lenscal.audit.stages import STAGES

pytestmark = pytest.mark.filterwarnings("ignore")


def runfile(folder, name, **changes):
    """tiny.yaml with other stores and settings, on the one sky of this folder."""
    raw = yaml.safe_load((HERE / "tiny.yaml").read_text())
    raw["stores"] = f"stores/{name}"
    for section, values in changes.items():
        raw[section] = {**raw.get(section, {}), **values} if isinstance(values, dict) else values
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(raw))
    return path


def digests(settings):
    plans = settings.stores / ".plan"
    return {name: json.loads((plans / name / "done.json").read_text())["digest"] for name in STAGES}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    from lenscal import mock

    folder = tmp_path_factory.mktemp("audit")
    settings = config.load(runfile(folder, "first"))
    mock.draw(settings, workers=2)
    return folder


@pytest.fixture(scope="module")
def first(folder):
    settings = config.load(folder / "first.yaml")
    return settings, run(settings)


def test_every_stage_is_done_and_row_conservation_holds(first):
    _, result = first
    assert [stage.name for stage in result.stages] == list(STAGES)
    rows = [gate for gate in result.gates if gate.id.startswith("rows.")]
    assert len(rows) >= 6
    assert not [gate for gate in rows if gate.verdict != "pass"], rows


def test_the_cube_is_labelled_and_counts_add_up(first):
    settings, _ = first
    cube = xr.open_zarr(settings.stores / "completeness.zarr", consolidated=False).load()
    schema.COMPLETENESS.check(cube)
    assert cube["theta_e"].attrs["units"] == "arcsec"
    assert cube.attrs["mock"] == 1
    assert cube.attrs["not_scientific"].startswith("not scientific")
    np.testing.assert_array_equal(cube["n_injected"] + cube["n_failed"], settings.injections.trials)
    assert (cube["n_detected"] <= cube["n_injected"]).all()
    slice_ = cube.completeness.sel(theta_e=1.5, method="nearest").sel(depth=23.5, quantile=0.5)
    assert ((slice_ >= 0) & (slice_ <= 1)).all()


def test_hosts_are_in_their_own_cell_and_never_from_training_sky(first):
    settings, _ = first
    injected = xr.open_zarr(settings.stores / "injections.zarr", consolidated=False).load()
    grid = settings.injections.grid
    assert set(np.unique(injected["host_split"].values.astype(object))) <= {"val", "test"}
    assert (np.abs(injected["host_psfsize_r"] - injected["psf_fwhm"]) <= grid.psf_fwhm.step / 2 + 1e-5).all()
    assert (np.abs(injected["host_psfdepth_r"] - injected["depth"]) <= grid.depth.step / 2 + 1e-5).all()


def test_false_positives_are_counted_in_the_bins_of_the_runs_own_grid(first):
    from lenscal.audit import Run

    settings, _ = first
    table = Run(settings).table("failures/false_positives.parquet")
    for group, axis in (
        ("psfsize_r", settings.injections.grid.psf_fwhm),
        ("psfdepth_r", settings.injections.grid.depth),
    ):
        edges = [f"{edge:g}" for edge in axis.edges]
        allowed = {
            f"< {edges[0]}",
            f">= {edges[-1]}",
            "not measured",
            *(f"{low} to {high}" for low, high in itertools.pairwise(edges)),
        }
        assert set(table.loc[table["group"] == group, "value"]) <= allowed


def test_a_run_judges_its_scores_and_every_table_is_as_declared(first):
    settings, result = first
    opened = lenscal.open_run(settings.stores)
    for name, declaration in schema.JUDGEMENT.items():
        table = declaration.check_table(opened[f"judgement/{name}"])
        assert list(table) == list(declaration.variables)
    counted = opened["judgement/counterfactuals"]
    assert (counted["pairs"] == settings.scores.counterfactuals).all()
    assert (opened["judgement/shortcuts"]["n_negative"] > 0).all()
    wanted = {
        "scores.events",
        "detector.strata",
        "detector.nuisance",
        "X.6",
        "X.7",
        "4.7",
        "shortcut.arc",
        "shortcut.host",
        "shortcut.blank",
    }
    assert wanted <= {gate.id for gate in result.gates}
    assert not [gate for gate in result.gates if gate.id in wanted and gate.critical]
    few = opened["thresholds"].attrs["few_events"]
    assert "fewer than 10" in few
    assert opened["completeness"].attrs["few_events"] == few


def test_a_run_judges_what_its_detector_was_trained_on(first):
    _, result = first
    found = {gate.id: gate for gate in result.gates}
    for name in ("X.2.trained", "X.2.hosts", "X.2.negatives", "X.4", "X.11"):
        assert found[name].critical
        assert found[name].verdict == "pass", found[name]
        assert [gate.id for gate in result.gates].count(name) == 1, "no gate is made twice"


def test_realism_has_a_verdict_for_every_criterion_and_no_pass_for_want_of_lenses(first):
    settings, result = first
    place = Run(settings)
    criteria = place.table("realism/criteria.parquet").set_index("id")
    assert len(criteria) == 22
    measures = place.table("realism/measures.parquet")
    anchors = int((measures["sample"] == "real").sum())
    assert 0 < anchors < settings.realism.anchors_min
    assert criteria.loc["snr_50", "why"] == f"cannot be judged: {anchors} anchors, 20 needed"
    verdicts = {gate.id: (gate.verdict, gate.critical) for gate in result.gates}
    assert verdicts["realism"] == ("not judged", False)
    assert verdicts["realism.snr_50"] == ("not judged", False)
    changes = place.table("realism/sensitivity.parquet").set_index("name")
    assert (changes["why_not"] == "").all()
    assert (changes.loc[["clumpy", "stamps", "compact-arcs", "beta 3.5", "beta 4.5"], "pairs"] > 0).all()
    kept = measures[measures["sample"] == "injected"]
    assert kept["galaxy_id"].is_unique
    assert set(kept["anchor_id"]) <= set(measures.loc[measures["sample"] == "real", "galaxy_id"])


def test_redrawn_under_its_own_settings_an_injection_is_what_it_was(first):
    import dask

    from lenscal import injections, realism

    settings, _ = first
    with dask.config.set(scheduler="synchronous"):
        whole = Run(settings).store("injections").load()
    block = realism.selected(whole, realism.one_per_host(realism.trials(whole), 8, 1))
    again = injections.redraw(block, settings.injections, settings.seed)
    for name in (*schema.PARAMETERS, "magnification", "beta_fraction", "proposals"):
        np.testing.assert_array_equal(again[name].values, block[name].values, err_msg=name)


def test_a_finished_run_does_nothing_again(first):
    settings, _ = first
    before = {
        path: path.stat().st_mtime_ns
        for path in settings.stores.rglob("*")
        if path.is_file() and path.name not in ("gates.json", "lock")
    }
    again = run(settings)
    assert {stage.state for stage in again.stages} == {"was complete"}
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_other_blocks_and_workers_give_the_same_bytes(folder, first):
    path = runfile(
        folder,
        "second",
        cutouts={"size": 101, "block": 32},
        quality={"block": 128},
        scores={"batch": 32},
        cluster={"workers": 1, "threads": 2},
    )
    settings = config.load(path)
    run(settings)
    assert digests(settings) == digests(first[0])


def test_a_killed_run_goes_on_to_the_same_bytes(folder, first):
    path = runfile(folder, "killed")
    settings = config.load(path)
    command = [sys.executable, "-m", "lenscal", "run", str(path), "--quiet"]
    for stage in ("cutouts", "injections"):
        process = subprocess.Popen(
            command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        blocks = settings.stores / ".plan" / stage / "blocks"
        deadline = time.monotonic() + 300
        while not (blocks.is_dir() and any(blocks.glob("*.json"))) and process.poll() is None:
            assert time.monotonic() < deadline, f"{stage} never began"
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert not (settings.stores / ".plan" / "report" / "done.json").exists()
    run(settings)
    assert digests(settings) == digests(first[0])


def test_a_changed_setting_redoes_only_what_depends_on_it(folder, first):
    shutil.copytree(first[0].stores, folder / "stores" / "changed")
    path = runfile(folder, "changed", completeness={"false_positive_rates": [0.05], "trials_min": 11, "hosts_min": 3})
    result = run(config.load(path))
    done = [stage.name for stage in result.stages if stage.state == "done"]
    assert done == ["completeness", "failures", "report"]
    assert result.stages[9].because == ("settings.completeness.trials_min",)


def test_another_rate_moves_the_threshold_and_all_that_is_judged_by_it(folder, first):
    shutil.copytree(first[0].stores, folder / "stores" / "rate")
    settings = config.load(
        runfile(folder, "rate", completeness={"false_positive_rates": [0.5], "trials_min": 12, "hosts_min": 3})
    )
    result = run(settings)
    assert [stage.name for stage in result.stages if stage.state == "done"] == [
        "judgement",
        "realism",
        "completeness",
        "failures",
        "report",
    ]
    places = [Run(one) for one in (first[0], settings)]
    before, after = (place.table("realism/sensitivity.parquet")["base"].dropna() for place in places)
    assert (after >= before).all()
    assert (after > before).any(), "the share that is recovered is that of the new threshold"
    assert (
        places[0]
        .store("scores", "cutouts")["score"]
        .load()
        .identical(places[1].store("scores", "cutouts")["score"].load())
    )
    assert all(good for _, good in verify_stores(places[1]))


def test_a_patch_release_keeps_a_finished_run_and_verifies_it(folder, first, monkeypatch):
    shutil.copytree(first[0].stores, folder / "stores" / "release")
    settings = config.load(runfile(folder, "release"))
    monkeypatch.setattr("lenscal.__version__", "0.1.9")
    assert {stage.state for stage in run(settings).stages} == {"was complete"}
    assert all(good for _, good in verify_stores(Run(settings)))
    assert not [n for n in verify_numbers(Run(settings)) if not n[3]]


def test_a_project_that_was_copied_to_another_place_is_complete_and_verifies(folder, first, tmp_path):
    for name in ("sky", "first"):
        shutil.copytree(folder / "stores" / name, tmp_path / "elsewhere" / "stores" / name)
    shutil.copy(folder / "first.yaml", tmp_path / "elsewhere")
    settings = config.load(tmp_path / "elsewhere" / "first.yaml")
    assert {stage.state for stage in run(settings).stages} == {"was complete"}
    assert all(good for _, good in verify_stores(Run(settings)))


def test_stores_open_by_plain_xarray_without_a_warning(first):
    import warnings

    stores = first[0].stores
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name, group in [
            ("cutouts", None),
            ("quality", None),
            ("injections", None),
            ("completeness", None),
            ("scores", None),
            ("thresholds", None),
            ("scores", "cutouts"),
        ]:
            xr.open_zarr(stores / f"{name}.zarr", group=group)


@pytest.mark.parametrize(
    "damage",
    [
        "gates.json",
        "thresholds.zarr/threshold/c/0",
        "injections.zarr/theta_e/c/0",
        "completeness.zarr/n_detected/c/0/0/0/0",
        "hosts.parquet",
        "quality/index.html",
        "detector/history.json",
        ".plan/report/done.json",
    ],
)
def test_an_edit_by_hand_or_a_turned_bit_anywhere_is_found(folder, first, damage):
    copy = folder / "stores" / "edited"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(first[0].stores, copy)
    settings = config.load(runfile(folder, "edited"))
    assert all(good for _, good in verify_stores(Run(settings)))
    path = copy / damage
    content = path.read_bytes()
    if damage == "gates.json":
        gates = json.loads(content, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
        path.write_text(json.dumps([gate | {"verdict": "pass"} for gate in gates]))
    elif damage.endswith("done.json"):
        path.write_bytes(content.replace(b'"verdict": "fail"', b'"verdict": "pass"').replace(b'"rows": ', b'"rows": 1'))
    else:
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert len([name for name, good in verify_stores(Run(settings)) if not good]) == 1


def test_numbers_of_the_report_and_digests_of_the_stores_verify(first):
    place = Run(first[0])
    assert all(good for _, good in verify_stores(place))
    numbers = verify_numbers(place)
    assert len(numbers) > 20
    assert not [n for n in numbers if not n[3]]


def test_one_changed_pixel_is_seen(folder, first):
    copy = folder / "stores" / "tampered"
    shutil.copytree(first[0].stores, copy)
    import zarr

    array = zarr.open_array(copy / "cutouts.zarr" / "image", mode="r+")
    array[0, 0, 50, 50] = float(array[0, 0, 50, 50]) + 1e-3
    with (copy / "failures" / "missed.parquet").open("r+b") as file:
        file.seek(60)
        byte = file.read(1)
        file.seek(60)
        file.write(bytes([byte[0] ^ 1]))
    settings = config.load(runfile(folder, "tampered"))
    found = dict(verify_stores(Run(settings)))
    assert {name for name, good in found.items() if not good} == {"cutouts", "failures"}
    assert {"objects", "manifest", "completeness", "report"} <= set(found)


def test_catalogue_opens_the_stores_by_name(folder, first, monkeypatch):
    shutil.copy(HERE.parent / "catalogs.yaml", folder / "catalogs.yaml")
    catalog = lenscal.open_catalog(run="first", path=folder / "catalogs.yaml")
    for name in ("cutouts", "quality", "injections", "scores_cutouts", "scores_injections", "completeness"):
        assert isinstance(catalog[name].read(), xr.Dataset), name
    manifest = catalog.manifest.read()
    assert len(manifest) == first[1].stages[1].rows
    assert set(manifest["pool"].compute()) == {"positive", "N1", "N2"}
    assert len(catalog.lenscat.read()) > 30_000


def test_a_prior_is_calibrated_at_the_anchors_of_a_run_and_used_by_name(folder, first):
    from typer.testing import CliRunner

    from lenscal.cli import app
    from lenscal.injections import prior_sets

    settings, _ = first
    invoke = lambda *arguments: CliRunner().invoke(app, ["calibrate-prior", *map(str, arguments)])  # noqa: E731
    few = invoke(folder / "first.yaml", folder / "few.yaml", "--count", 200)
    assert few.exit_code != 0
    assert "4 anchors have both a PSF size and a depth, fewer than 10; calibrate at those of the survey" in few.output
    assert not (folder / "few.yaml").exists()
    # The same run with more anchors: positives of the training set besides.
    many = config.load(runfile(folder, "many"))
    shutil.copytree(settings.stores / "manifest", many.stores / "manifest")
    for path in (many.stores / "manifest").rglob("*.parquet"):
        table = pd.read_parquet(path)
        table.loc[table["pool"] == "positive", "role"] = "anchor"
        table.to_parquet(path)
    made = invoke(folder / "many.yaml", folder / "frozen.yaml", "--count", 300, "--name", "frozen")
    assert made.exit_code == 0, made.output
    entry = yaml.safe_load((folder / "frozen.yaml").read_text())["frozen"]
    assert entry["calibration"]["conditions"]["origin"] == "anchors of the run 'tiny' (mock sky)"
    assert entry["calibration"]["conditions"]["count"] >= 10
    assert 2.5 < entry["calibration"]["reached"][0.9] < 10
    chosen = config.load(
        runfile(folder, "calibrated", injections={"prior": "frozen", "prior_file": "frozen.yaml"})
    ).injections
    assert prior_sets.named(chosen.prior, chosen.more_priors)["mag_r"] == entry["mag_r"]
    assert "not written over" in invoke(folder / "many.yaml", folder / "frozen.yaml").output


def test_the_real_sample_runs_and_says_how_little_stands_behind_each_cell(folder, first, real):
    raw = yaml.safe_load((HERE.parent / "pipelines" / "real-sample.yaml").read_text())
    raw["stores"] = "stores/real-sample"
    raw["detector"]["artifact"] = str(first[0].stores / "detector")
    path = folder / "real-sample.yaml"
    path.write_text(yaml.safe_dump(raw))
    settings = config.load(path)
    result = run(settings)
    assert {stage.state for stage in result.stages} == {"done"}
    assert not [gate.id for gate in result.failed if gate.critical]
    cube = lenscal.open_store(settings.stores / "completeness.zarr").load()
    # Of seven stamps with conditions of their own three have the light of their galaxy where the noise is measured: one
    # cell is left without hosts.
    cell = cube.isel(theta_e=0, threshold=0).sel(population="survey")
    assert sorted(cell["n_hosts"].values.ravel()) == [0, 1, 1, 2]
    known = cell["n_hosts"].values > 0
    assert set(cell["status"].values[known]) == {"insufficient"}
    assert set(cell["status"].values[~known]) == {"no data"}
    assert (cell["n_injected"].values == np.where(known, settings.injections.trials, 0)).all()
    assert not [gate.id for gate in result.failed if gate.id.startswith("injections.")]
    assert "mock" in cube.attrs["not_scientific"]
    assert cube.attrs["mock"] == 0
    manifest = pd.concat(pd.read_parquet(part) for part in (settings.stores / "manifest").rglob("*.parquet"))
    assert manifest["host"].sum() == 7
    assert not manifest.loc[manifest["catalogue"] == "dr10_lens_candidates", "host"].any()
    assert (settings.stores / "report" / "index.html").exists()


# ---------------------------------------------------------------- the closed loop


@pytest.fixture(scope="module")
def looped(folder, first):
    """A run of more trials on the same sky, held against another one."""
    from lenscal.audit import closed_loop

    settings = config.load(runfile(folder, "first", injections={"trials": 150}))
    settings = settings.model_copy(update={"stores": settings.stores.parent / "looped"})
    shutil.copytree(first[0].stores, settings.stores)
    run(settings)
    sky = closed_loop.settings_of_sky(settings, 99, 24)
    from lenscal import mock

    mock.draw(sky, workers=2)
    place = Run(settings)
    summary, tables = closed_loop.close(place, [sky], lambda text: None)
    return place, sky, summary, tables, closed_loop.write(place, summary, tables)


def test_true_lenses_of_another_sky_are_all_accounted_for(looped):
    place, _, summary, tables, written = looped
    assert summary["lenses"] == 24 == len(tables["lenses"])
    assert summary["overall"]["n"] + sum(summary["left_out"].values()) == 24
    stayed = tables["lenses"][tables["lenses"]["left_out"] == ""]
    assert np.isfinite(stayed["score"]).all()
    threshold = float(place.store("thresholds")["threshold"].values[0])
    assert summary["overall"]["found"] == int((stayed["score"] >= threshold).sum())
    for row in [summary["overall"], *summary["bins"]]:
        assert {
            "n",
            "found",
            "observed",
            "predicted",
            "lower_68",
            "upper_68",
            "lower_95",
            "upper_95",
            "n_eff",
            "naive",
        } <= row.keys()
    assert {"closed-loop.json", "closed-loop.png", "closed-loop.pdf", "bins.csv", "lenses.csv"} <= {
        path.name for path in written.iterdir()
    }
    assert json.loads((written / "closed-loop.json").read_text())["overall"] == summary["overall"]


def test_what_is_not_predicted_is_refused_by_name_and_no_number_is_given(looped):
    *_, summary, _, _ = looped
    if summary["refused"]:
        assert summary["verdict"] == "NO-GO"
        assert summary["overall"]["predicted"] is None
    else:
        assert summary["overall"]["lower_95"] <= summary["overall"]["predicted"] <= summary["overall"]["upper_95"]


def test_scores_of_true_lenses_are_those_that_the_run_would_give_them(looped, first):
    """The run's own sky, read through the loop: its lenses have the scores that the stage scores gave them."""
    from lenscal.audit import closed_loop

    place, _, *_ = looped
    own = first[0].model_copy(update={"sky": place.settings.sky})
    found = closed_loop.lenses_of_sky(place, own, lambda text: None).set_index("galaxy_id")["score"]
    scored = place.store("scores", "cutouts")
    stored = pd.Series(scored["score"].values.astype(float), index=scored["galaxy_id"].values)
    both = found.index.intersection(stored.index[np.isfinite(stored)])
    assert len(both) >= 5
    np.testing.assert_array_equal(found[both].astype("f4"), stored[both].astype("f4"))


@pytest.mark.parametrize(
    ("seeds", "changes", "sentence"),
    [
        ([7], {}, "is the run's own"),
        ([8], {"sky": None}, "needs an embedded sky"),
        ([8], {"injections": {"trials": 13}}, "which is not complete"),
    ],
)
def test_a_loop_that_could_not_tell_anything_is_refused(looped, seeds, changes, sentence):
    from lenscal.audit import PlanError, closed_loop

    settings = looped[0].settings
    for name, value in changes.items():
        settings = settings.model_copy(
            update={name: value if value is None else getattr(settings, name).model_copy(update=value)}
        )
    with pytest.raises(PlanError, match=sentence):
        closed_loop.refuse(Run(settings), seeds)


def test_a_detector_is_not_tested_on_the_sky_that_trained_it(looped):
    from lenscal.audit import PlanError, closed_loop

    place = looped[0]
    elsewhere = Run(place.settings)
    elsewhere.__dict__["detector"] = place.detector
    assert place.detector.about["seed"] == 7
    closed_loop.refuse(elsewhere, [8])
    about = {**place.detector.about, "seed": 8}
    from lenscal import detector

    changed = detector.frozen.Frozen(place.detector.weights, about)
    elsewhere.__dict__["detector"] = changed
    with pytest.raises(PlanError, match=r"trained on the embedded sky of seed 8|carry detector"):
        closed_loop.refuse(elsewhere, [8])


def test_experiments_of_a_finished_run_are_paired_and_their_shares_sum_to_the_gap(folder, first):
    from typer.testing import CliRunner

    from lenscal.cli import app

    settings, _ = first
    before = digests(settings)
    small = ["--lenses", "4", "--sky", "12", "--seed", "3", "--injected", "6", "--per-cell", "2", "--epochs", "1"]
    result = CliRunner().invoke(app, ["experiments", str(runfile(folder, "first")), *small])
    assert result.exit_code == 0, result.output
    made = settings.stores / "experiments"
    found = json.loads((made / "experiments.json").read_text(), parse_constant=pytest.fail)
    arms = found["arms"]
    assert 0 < arms["n"] <= 4
    assert sum(row["share"] for row in arms["tables"]["arms"]) == pytest.approx(arms["gap"], abs=1e-12)
    assert len(arms["tables"]["arms_subsets"]) == 64
    causal = found["causal"]["tables"]["causal"]
    assert {row["pairs"] for row in causal if row["hosts"] == "all" and not row["why_not"]} == {4}
    assert (found["fix"]["training"]["injected"], found["fix"]["training"]["epochs_run"]) == (6, 1)
    cells = pd.read_parquet(made / "fix_cells.parquet")
    assert cells["pairs"].sum() == found["fix"]["overall"]["pairs"] <= 2 * len(cells)
    assert found["fix"]["before"]["detector"] == Run(settings).detector.hash != found["fix"]["after"]["detector"]
    val = [row for row in found["fix"]["tables"]["fix_negatives"] if row["split"] == "val"]
    rate = settings.completeness.false_positive_rates[0]
    for side in ("base", "changed"):  # either threshold leaves no more false positives than asked for
        assert (
            sum(row[side] * row["pairs"] for row in val if row["pairs"])
            <= rate * sum(row["pairs"] for row in val) + 1e-9
        )
    for name in ("arms", "causal", "fix"):
        assert (made / f"{name}.png").stat().st_size > 1000
        assert (made / f"{name}.pdf").exists()
    assert digests(settings) == before
