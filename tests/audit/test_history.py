"""What a changed run file replaces is kept, used again where it can be, and comes back when it is wanted."""

import json
import os
import shutil

import finished
import pandas as pd
import pytest
import xarray as xr
import yaml
from typer.testing import CliRunner

from lenscal import config
from lenscal.audit import run
from lenscal.audit.earlier import generations
from lenscal.audit.products import Run
from lenscal.audit.stages import STAGES
from lenscal.cli import app
from lenscal.detector import frozen
from lenscal.engine import InProcess, history
from lenscal.injections import trials
from lenscal.report.figures import style

AXIS = {"start": 1.5, "stop": 2.0, "step": 0.5}
LATE = ["injections", "scores", "judgement", "realism", "completeness", "failures", "report"]


def changed(path, **changes):
    """The run file with other settings, by their names with dots."""
    raw = yaml.safe_load(path.read_text())
    for name, value in changes.items():
        *sections, last = name.split("__")
        place = raw
        for section in sections:
            place = place.setdefault(section, {})
        place[last] = value
    path.write_text(yaml.safe_dump(raw))
    return config.load(path)


def done(settings, stages=None):
    """State and digest of each stage, once a run is through."""
    return {one.name: (one.state, one.digest) for one in run(settings, stages, executor=InProcess()).stages}


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A finished run, which each test copies."""
    folder = tmp_path_factory.mktemp("history")
    finished.finish(finished.runfile(folder, "first", injections={"grid": GRID, "trials": 6}), sky=True)
    return folder


GRID = {
    "theta_e": AXIS,
    "psf_fwhm": {"start": 1.1, "stop": 1.5, "step": 0.4},
    "depth": {"start": 23.5, "stop": 23.5, "step": 1.0},
}


@pytest.fixture
def runfile(first, tmp_path):
    shutil.copytree(first, tmp_path, dirs_exist_ok=True, copy_function=shutil.copy2)
    return tmp_path / "first.yaml"


@pytest.fixture
def counted(monkeypatch):
    """Arcs that are rendered, and images that are scored, by the stages of that name."""
    seen = {"rendered": 0, "scored": 0}
    inject, score = trials.inject, frozen.Frozen.score

    def injected(block, *rest, **more):
        seen["rendered"] += block["injection_id"].size
        return inject(block, *rest, **more)

    def scored(self, images, *rest):
        seen["scored"] += len(images)
        return score(self, images, *rest)

    monkeypatch.setattr("lenscal.injections.inject", injected)
    monkeypatch.setattr(frozen.Frozen, "score", scored)
    return seen


def test_more_columns_of_theta_e_render_and_score_their_own_trials_alone(runfile, counted):
    stages = ["objects", "manifest", "cutouts", "quality", "injections", "detector", "scores"]
    settings = changed(runfile, injections__grid__theta_e={**AXIS, "start": 1.0, "stop": 3.0})
    told = done(settings, stages)
    failed = xr.open_zarr(settings.stores / "injections.zarr")["failure"].load()
    new = failed.sel(theta_e=[1.0, 2.5, 3.0])
    assert counted == {"rendered": new.size, "scored": int((new == "").sum())}
    assert new.size < failed.size
    shutil.rmtree(settings.stores / ".earlier")
    for name in ("injections", "scores"):
        shutil.rmtree(settings.stores / ".plan" / name)
        shutil.rmtree(settings.stores / f"{name}.zarr")
    (settings.stores / "hosts.parquet").unlink()
    again = done(settings, stages)
    assert counted["rendered"] == new.size + failed.size
    assert [told[name][1] for name in stages] == [again[name][1] for name in stages]


def test_keeping_the_pixels_scores_nothing_again(runfile, counted):
    before = done(config.load(runfile), ["scores"])
    settings = changed(runfile, injections__keep_images=True)
    after = done(settings, ["injections", "scores"])
    assert counted["scored"] == 0 < counted["rendered"]
    assert after["scores"] == ("done", before["scores"][1])
    assert "image" in xr.open_zarr(settings.stores / "injections.zarr")


def test_scores_of_another_detector_or_of_other_trials_are_not_taken(runfile, counted):
    settings = changed(runfile, injections__shot_noise=False)
    done(settings, ["injections", "scores"])
    assert counted["scored"] > settings.injections.trials  # cutouts, too: the address says no more than the section
    first = counted["scored"]
    settings = changed(runfile, injections__grid__theta_e={**AXIS, "step": 0.25})
    done(settings, ["injections"])
    assert counted["rendered"] == 2 * 6 * (2 + 3)  # the same centres with other widths hold other trials
    assert counted["scored"] == first


def test_a_run_file_set_back_finds_its_results_again(runfile, counted):
    settings = config.load(runfile)
    before = done(settings)
    assert {state for state, _ in before.values()} == {"was complete"}
    text = runfile.read_text()
    other = done(changed(runfile, completeness__false_positive_rates=[0.2]))
    assert other["scores"] == before["scores"]
    assert other["judgement"][0] == "done"
    (one,) = generations(config.load(runfile))
    assert one.stages == LATE[2:]
    assert one.why == "completeness.false_positive_rates"
    assert one.size > 0
    told = CliRunner().invoke(app, ["history", str(runfile)])
    assert told.exit_code == 0
    assert "completeness.false_positive_rates" in told.output
    seen = dict(counted)
    runfile.write_text(text)
    assert done(settings) == before
    assert counted == seen
    (one,) = generations(settings)
    assert one.stages == LATE[2:]
    assert one.why == "completeness.false_positive_rates"


@pytest.fixture
def copy(first, tmp_path):
    """The run as a colleague has it: every file has a new time of change, and lenscal is of another release."""
    shutil.copytree(first, tmp_path, dirs_exist_ok=True, copy_function=shutil.copyfile)
    for plan in (tmp_path / "stores" / "first" / ".plan").glob("*/plan.json"):
        plan.write_text(json.dumps(json.loads(plan.read_text()) | {"code": "of another release"}))
    return tmp_path / "first.yaml"


def test_a_copied_project_is_unchanged_whatever_the_times_of_its_files(copy, counted):
    settings = config.load(copy)
    files = {path: path.stat().st_mtime_ns for path in settings.stores.glob("*.zarr/**/*") if path.is_file()}
    found = done(settings)
    assert {state for state, _ in found.values()} == {"was complete"}
    assert counted == {"rendered": 0, "scored": 0}
    assert {path: path.stat().st_mtime_ns for path in files} == files
    again = {path: path.stat().st_mtime_ns for path in (settings.stores / ".plan").rglob("*.json")}
    assert done(settings) == found
    assert {path: path.stat().st_mtime_ns for path in again} == again, "the new times are known from then on"


def test_what_a_changed_setting_replaces_in_a_copied_project_is_kept(copy):
    settings = changed(copy, cutouts__block=32, completeness__false_positive_rates=[0.1])
    run(settings, ["objects", "manifest", "cutouts", "quality", "injections", "detector", "scores", "judgement"])
    kept = {one.stage for one in history.kept(settings.stores) if one.whole}
    assert {"cutouts", "quality", "judgement"} <= kept, "tables and stores alike"
    back = changed(copy, cutouts__block=64, completeness__false_positive_rates=[0.05])
    states = {name: state for name, (state, _) in done(back).items()}
    assert set(states.values()) == {"was complete"}, "brought back, and held against their content"


def test_restore_brings_results_back_with_the_run_file_that_they_belong_to(runfile, tmp_path):
    before = done(config.load(runfile))
    done(changed(runfile, completeness__false_positive_rates=[0.2]))
    then = tmp_path / "then.yaml"
    for arguments, said in (
        ([str(runfile), "2", str(then)], "no 2 among"),
        ([str(runfile), "1", str(runfile)], "there"),
    ):
        refused = CliRunner().invoke(app, ["restore", *arguments])
        assert refused.exit_code == 1
        assert said in refused.output
    assert CliRunner().invoke(app, ["restore", str(runfile), "1", str(then)]).exit_code == 0
    assert done(config.load(then)) == before
    assert [one.stages for one in generations(config.load(then))] == [LATE[2:]]


def test_no_more_is_kept_than_the_run_file_allows(runfile):
    done(changed(runfile, keep_earlier_gb=0, completeness__false_positive_rates=[0.2]))
    assert not (config.load(runfile).stores / ".earlier").exists()
    settings = changed(runfile, keep_earlier_gb=1e-5, completeness__false_positive_rates=[0.3])
    done(settings)
    assert not generations(settings)
    assert not list((settings.stores / ".earlier").glob("*"))


@pytest.mark.parametrize("nth", [1, 2, 3, 5, 8])
def test_a_kill_between_two_renames_loses_no_result_of_now(runfile, monkeypatch, nth):
    text, before = runfile.read_text(), done(config.load(runfile))
    other = done(changed(runfile, completeness__false_positive_rates=[0.2]), LATE[:3])
    runfile.write_text(text)
    settings, count, replace = config.load(runfile), 0, os.replace

    def killed(source, target):
        nonlocal count
        if ".earlier" in f"{source}{target}":
            count += 1
            if count == nth:
                raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr("lenscal.engine.history.os.replace", killed)
    with pytest.raises(KeyboardInterrupt):
        done(settings, LATE[:3])
    monkeypatch.undo()
    names = [*before]
    again = done(settings, names)
    assert [again[name][1] for name in names] == [before[name][1] for name in names]
    assert other["judgement"][1] != before["judgement"][1]
    assert json.loads((settings.stores / ".plan" / "settings.json").read_text()) == settings.model_dump(mode="json")


def test_another_threshold_renders_and_scores_nothing_again_and_gives_the_same_bytes(runfile, counted, monkeypatch):
    drawn = []
    png = style.png
    monkeypatch.setattr(style, "png", lambda figure: drawn.append(figure) or png(figure))
    monkeypatch.setattr("lenscal.report.drawing.processes", lambda figures: 1)
    settings = changed(runfile, completeness__false_positive_rates=[0.3])
    told = done(settings)
    assert [told[name][0] for name in LATE] == ["was complete", "was complete", *["done"] * 5]
    assert counted == {"rendered": 0, "scored": 0}
    assert 0 < len(drawn) < 0.7 * len(list((settings.stores / "report" / "figures").glob("*.png")))
    threshold = float(xr.open_zarr(settings.stores / "thresholds.zarr")["threshold"][0])
    recovery = pd.read_parquet(settings.stores / "realism" / "recovery.parquet")
    assert recovery["threshold"].tolist() == [threshold]
    shutil.rmtree(settings.stores / ".earlier")
    for name in LATE[2:]:
        shutil.rmtree(settings.stores / ".plan" / name)
    products = [path for name in LATE[2:] for path in STAGES[name].products(Run(settings)) if path.exists()]
    for path in products:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    again = done(settings)
    assert {name: again[name][1] for name in LATE} == {name: told[name][1] for name in LATE}
    assert counted["scored"] > 0


def test_with_other_settings_of_the_judgement_the_detector_is_asked_again(runfile, counted):
    done(changed(runfile, completeness__false_positive_rates=[0.2]))
    done(changed(runfile, completeness__false_positive_rates=[0.3], scores__counterfactuals=7), LATE[:3])
    assert counted["scored"] > 0  # counterfactuals, whose settings are those of the section
