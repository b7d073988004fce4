"""Two runs with other trials add to the run of all, what does not belong together is refused by name, and the trials
that are still needed make a run that adds.
"""

import shutil

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml
from finished import finish
from typer.testing import CliRunner

from lenscal import completeness, config, schema
from lenscal.audit import Run
from lenscal.audit.adding import Summand, add, check, joined
from lenscal.audit.allocating import allocate, before_the_trials
from lenscal.audit.another import taken_over
from lenscal.cli import app
from lenscal.completeness import allocation
from lenscal.errors import InputError
from lenscal.injections import quotas
from lenscal.io import stores

pytestmark = pytest.mark.filterwarnings("ignore")
TO_THE_CUBE = ["injections", "scores", "judgement", "realism", "completeness"]


def part(runfile, name, **injections):
    """Run file of the same sample with other trials, finished up to its cube."""
    raw = yaml.safe_load(runfile.read_text())
    raw["stores"] = f"stores/{name}"
    raw["injections"] |= injections
    path = runfile.with_name(f"{name}.yaml")
    path.write_text(yaml.safe_dump(raw))
    taken_over(Run(config.load(runfile)), runfile.parent / "stores" / name, before_the_trials())
    finish(path, TO_THE_CUBE)
    return path


@pytest.fixture(scope="module")
def halves(finished):
    return part(finished, "a", trials=6), part(finished, "b", trials=6, first_trial=6)


@pytest.fixture(scope="module")
def summands(halves):
    return [Summand.of_run(Run(config.load(path))) for path in halves]


@pytest.fixture(scope="module")
def whole(finished):
    return Summand.of_run(Run(config.load(finished)))


def test_a_run_that_goes_on_has_the_trials_that_one_run_would_have_had(summands, whole):
    expected = whole.trials.sort_values("injection_id", ignore_index=True)
    pd.testing.assert_frame_equal(joined(*summands), expected, rtol=1e-12)
    own = [name for name in expected if not name.startswith("log_density")]
    both = pd.concat([one.trials for one in summands]).sort_values("injection_id", ignore_index=True)
    pd.testing.assert_frame_equal(both[own], expected[own])
    assert summands[0].next_trial == 6
    assert whole.next_trial == 12


def test_two_runs_add_to_the_cube_of_one_run_of_all_trials(summands, whole, tmp_path):
    cube = add(*summands, tmp_path / "sum")
    for name, array in whole.cube.data_vars.items():
        if not name.startswith(("systematic", "total")):
            xr.testing.assert_equal(cube[name].transpose(*array.dims), array)
    assert cube.attrs["detector_hash"] == whole.cube.attrs["detector_hash"]
    xr.testing.assert_equal(stores.open(tmp_path / "sum" / "completeness.zarr").load(), cube)
    again = add(*summands[::-1], tmp_path / "other way")
    assert stores.digest_files(tmp_path / "sum") == stores.digest_files(tmp_path / "other way")
    xr.testing.assert_equal(again, cube)


def test_a_systematic_error_of_the_sum_is_the_farther_of_both(summands, tmp_path):
    cube = add(*summands, tmp_path / "sum")
    shifts = [completeness.brackets(one.cube, one.hosts, one.changes, one.settings) for one in summands]
    for cause in set(cube["cause"].values) - {"host population"}:
        own = [found["survey"].get(cause, [0.0]) for found in shifts]
        lowest, highest = min(0, *map(min, own)), max(0, *map(max, own))
        one = cube.sel(population="survey", cause=cause).isel(threshold=0)
        moved = (one["systematic_lower"] > 1e-9).any() or (one["systematic_upper"] > 1e-9).any()
        assert bool(moved) == (lowest < 0 or highest > 0)


def test_a_sum_is_added_to_like_a_run(summands, tmp_path):
    add(*summands, tmp_path / "sum")
    found = Summand.of_sum(tmp_path / "sum")
    assert len(found.parts) == 2
    assert found.next_trial == 12
    with pytest.raises(InputError, match=r"36 trials are in both .*injections.first_trial: 12"):
        check(found, summands[0])


def changed(summand, cube=None, **attrs):
    return Summand(
        summand.name,
        summand.parts,
        (summand.cube if cube is None else cube).assign_attrs(attrs),
        summand.trials,
        summand.hosts,
        summand.changes,
        summand.settings,
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"detector_hash": "ff" * 32}, "another detector .detector_hash"),
        ({"layer": "ls-dr9"}, "another survey"),
        ({"prior": "other"}, "another prior of the sources"),
        ({"area_total": 1.0}, "another footprint"),
        ({"trials_min": 77}, "another completeness.trials_min"),
    ],
)
def test_what_does_not_belong_together_is_refused_by_name(summands, change, said):
    with pytest.raises(InputError, match=said):
        check(summands[0], changed(summands[1], **change))


def test_other_thresholds_axes_and_trials_that_are_in_both_are_refused_with_what_to_do(summands):
    one, two = summands
    moved = two.cube.assign_coords(threshold=two.cube["threshold"] + 0.1)
    with pytest.raises(InputError, match=r"the thresholds differ .*first_trial alone differs"):
        check(one, changed(two, moved))
    with pytest.raises(InputError, match=r"other axes: theta_e has the edges .*one injections.grid"):
        check(one, changed(two, two.cube.isel(theta_e=slice(0, 2))))
    with pytest.raises(InputError, match=r"36 trials are in both .*injections.first_trial: 6"):
        check(one, one)


def test_the_command_adds_and_refuses_in_one_sentence(halves, tmp_path):
    done = CliRunner().invoke(app, ["add", *map(str, halves), str(tmp_path / "sum")])
    assert done.exit_code == 0, done.output
    assert "72 trials in" in done.output
    for words, said in (
        ([halves[0], halves[0], tmp_path / "twice"], "36 trials are in both"),
        ([tmp_path, halves[0], tmp_path / "none"], "is no run file and no folder that `lenscal add` wrote"),
        ([*halves, halves[0].parent], "holds something else than a sum"),
    ):
        done = CliRunner().invoke(app, ["add", *map(str, words)])
        assert done.exit_code == 1
        assert said in done.stderr.replace("\n", " ")


def test_a_run_whose_cube_is_not_finished_does_not_add(halves, tmp_path):
    raw = yaml.safe_load(halves[0].read_text()) | {"stores": "stores/none"}
    path = halves[0].with_name("none.yaml")
    path.write_text(yaml.safe_dump(raw))
    with pytest.raises(InputError, match="the completeness of 'one' is not finished"):
        Summand.of_run(Run(config.load(path)))


def test_the_trials_that_are_needed_make_a_run_that_adds(finished, whole, tmp_path):
    place = Run(config.load(finished))
    path = finished.with_name("more.yaml")
    plan, taken = allocate(finished, place, whole, path, half_width=0.03, budget=40)
    assert taken == before_the_trials()
    assert 0 < plan["trials"].sum() <= 40
    finish(path, TO_THE_CUBE)
    more = Summand.of_run(Run(config.load(path)))
    made = more.cube["n_injected"].to_series()
    wanted = plan.set_index(list(schema.CELL))["trials"]
    assert made.reindex(wanted.index).tolist() == wanted.tolist()
    assert set(more.trials.loc[more.trials["score"].isna(), "failure"]) <= {"not asked for"}
    cube = add(whole, more, tmp_path / "sum")
    assert int(cube["n_injected"].sum()) == 72 + int(plan["trials"].sum())
    for taken_name in ("more.yaml", "more.csv"):
        assert finished.with_name(taken_name).exists()
    with pytest.raises(InputError, match="is there already"):
        allocate(finished, place, whole, path, half_width=0.03)
    shutil.rmtree(place.folder.with_name("more"))


def test_a_plan_is_refused_for_numbers_that_are_none_and_empty_where_all_is_narrow(finished, whole, tmp_path):
    for name, value in (("half_width", 0.0), ("half_width", 0.7), ("level", 1.0), ("growth", 0.5), ("budget", 0)):
        with pytest.raises(InputError, match=f"{name} is {value}"):
            allocation.plan(whole.cube, **({"half_width": 0.1} | {name: value}))
    with pytest.raises(InputError, match="without the counts of its hosts"):
        allocation.plan(whole.cube.drop_dims("host"), 0.1)
    plan, taken = allocate(finished, Run(config.load(finished)), whole, finished.with_name("nothing.yaml"), 0.49)
    assert (plan["trials"] == 0).all()
    assert taken == []
    assert not finished.with_name("nothing.yaml").exists()
    with pytest.raises(InputError, match="put it beside the old one"):
        allocate(finished, Run(config.load(finished)), whole, tmp_path / "far.yaml", 0.05)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("theta_e,psf_fwhm,trials\n1.0,1.1,3\n", "the table lacks depth"),
        ("theta_e,psf_fwhm,depth,trials\n1.1,1.1,23.5,3\n", "theta_e holds what is no centre"),
        ("theta_e,psf_fwhm,depth,trials\n1.0,1.1,23.5,99\n", "from 0 to injections.trials .12."),
        ("theta_e,psf_fwhm,depth,trials\n1.0,1.1,23.5,1.5\n", "whole numbers"),
        ("theta_e,psf_fwhm,depth,trials\n1.0,1.1,23.5,1\n1.0,1.1,23.5,2\n", "1 cells are named twice"),
    ],
)
def test_a_table_of_trials_that_is_none_is_refused_by_name(finished, tmp_path, rows, said):
    (tmp_path / "table.csv").write_text(rows)
    settings = config.load(finished).injections.model_copy(update={"allocation": str(tmp_path / "table.csv")})
    with pytest.raises(InputError, match=said):
        quotas.of_cell(settings, 1.1, 23.5)


def test_without_a_table_every_cell_has_all_trials(finished):
    settings = config.load(finished).injections
    assert np.array_equal(quotas.of_cell(settings, 1.1, 23.5), [12, 12, 12])
