"""A stage is given only what its address holds: whatever changes its product changes its address, and
where things lie does not.
"""

import os
import shutil
from functools import cache
from pathlib import Path

import pytest
import yaml
from places import TESTS as HERE

from lenscal import config
from lenscal.audit import PlanError, Run, plan_of
from lenscal.audit.given import ALWAYS, given, held
from lenscal.audit.products import NotGivenError
from lenscal.audit.stages import STAGES
from lenscal.config import Section
from lenscal.config.section import Placement
from lenscal.engine.markers import Progress

pytestmark = pytest.mark.filterwarnings("ignore:Pydantic serializer")
PRIORS = "mine: {like: observed-colours}\n"


def project(folder):
    """A run file that names an input of every kind, with the files, of which only the bytes matter here."""
    raw = yaml.safe_load((HERE / "tiny.yaml").read_text())
    raw["objects"]["galaxy_tables"] = ["north/table.fits", "south/table.fits"]
    raw["survey"]["randoms"] = ["randoms/a.fits", "randoms/b.fits"]
    raw["survey"]["randoms_density"] = 2500.0
    raw["injections"] |= {
        "prior": "mine",
        "prior_file": "priors.yaml",
        "source": "stamps",
        "source_stamps": "hst/cosmos_stamps.fits.gz",
    }
    raw["realism"]["source_stamps"] = "more/cosmos_stamps.fits.gz"
    raw["detector"]["artifact"] = "brought"
    names = [
        "north/table.fits",
        "south/table.fits",
        "randoms/a.fits",
        "randoms/b.fits",
        "brought/weights.pt",
        "brought/detector.json",
    ]
    names += [f"{place}/cosmos_{name}" for place in ("hst", "more") for name in ("stamps.fits.gz", "catalog.csv")]
    names += [
        f"stores/sky/{name}"
        for name in ("catalogues/known-lenses.csv", "catalogues/desi-sl-vac-mock.fits", "catalogues/contaminants.csv")
    ]
    names += [
        "stores/sky/survey-bricks.fits.gz",
        "stores/sky/south/survey-bricks-dr10-south.fits.gz",
        "stores/sky/south/sweep/10.1/sweep-000m005-005p000.fits",
    ]
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    (folder / "priors.yaml").write_text(PRIORS)
    (folder / "run.yaml").write_text(yaml.safe_dump(raw))
    return names


@cache
def settings_of(folder):
    return config.load(folder / "run.yaml")


def address(folder, stage):
    place = Run(settings_of(folder))
    return held(place, stage), STAGES[stage].inputs(place)


@pytest.fixture
def folder(tmp_path):
    project(tmp_path)
    return tmp_path


def leaves(section, prefix=()):
    """Every setting: its path and value, whether it is a placement."""
    for name, info in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, Section):
            yield from leaves(value, (*prefix, name))
        else:
            yield (*prefix, name), value, any(isinstance(mark, Placement) for mark in info.metadata)


def changed(section, path, value):
    head, *rest = path
    return section.model_copy(update={head: changed(getattr(section, head), rest, value) if rest else value})


def other(value):
    """Another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1
    if isinstance(value, str):
        return value + "x"
    if isinstance(value, (list, tuple)):
        return type(value)([*value[:-1]]) if value else ["x"]
    return {**value, "x": 1} if isinstance(value, dict) else "x"


def is_given(place, stage, path):
    value = given(place, stage).settings
    try:
        for name in path:
            value = getattr(value, name)
    except NotGivenError:
        return False
    return True


@pytest.mark.parametrize("stage", STAGES)
def test_each_setting_that_a_stage_is_given_is_in_its_address_and_no_other_is(folder, stage):
    settings = settings_of(folder)
    place, before = Run(settings), held(Run(settings), stage)
    seen = 0
    for path, value, placement in leaves(settings):
        if path == ("stores",):
            continue
        after = held(Run(changed(settings, path, other(value))), stage)
        if placement:
            assert after == before, f"{path} says where something is"
        else:
            assert (after != before) == is_given(place, stage, path), path
            seen += after != before
    assert seen > len(ALWAYS)


INPUTS = {
    "north/table.fits": ["objects"],
    "south/table.fits": ["objects"],
    "stores/sky/catalogues/known-lenses.csv": ["objects"],
    "stores/sky/catalogues/desi-sl-vac-mock.fits": ["objects"],
    "stores/sky/catalogues/contaminants.csv": ["objects"],
    "stores/sky/survey-bricks.fits.gz": ["cutouts", "judgement"],
    "stores/sky/south/survey-bricks-dr10-south.fits.gz": ["cutouts", "judgement"],
    "randoms/a.fits": ["completeness"],
    "randoms/b.fits": ["completeness"],
    "hst/cosmos_stamps.fits.gz": ["injections", "scores", "judgement", "realism", "report"],
    "hst/cosmos_catalog.csv": ["injections", "scores", "judgement", "realism", "report"],
    "more/cosmos_stamps.fits.gz": ["realism"],
    "more/cosmos_catalog.csv": ["realism"],
    "brought/weights.pt": ["detector"],
    "brought/detector.json": ["detector"],
}


def test_every_file_of_the_run_file_is_among_the_inputs_of_a_stage(tmp_path):
    inside = {
        "stores/sky/south/sweep/10.1/sweep-000m005-005p000.fits"
    }  # of sweeps and bricks the blocks keep the versions
    assert {*project(tmp_path)} - inside == {*INPUTS}


@pytest.mark.parametrize(("name", "stages"), INPUTS.items(), ids=INPUTS)
def test_another_content_of_an_input_is_another_address_of_the_stages_that_read_it(folder, name, stages):
    before = {stage: address(folder, stage) for stage in STAGES}
    content = bytearray((folder / name).read_bytes())
    content[-1] ^= 1  # as long as it was
    (folder / name).write_bytes(content)
    assert [stage for stage in STAGES if address(folder, stage) != before[stage]] == stages


def test_tables_of_one_name_are_told_apart_by_their_order_and_content(folder):
    before = address(folder, "objects")
    north, south = folder / "north/table.fits", folder / "south/table.fits"
    one, two = north.read_bytes(), south.read_bytes()
    north.write_bytes(two)
    south.write_bytes(one)
    assert address(folder, "objects") != before


def test_a_set_of_priors_counts_by_what_it_holds(folder):
    before = address(folder, "injections")
    (folder / "priors.yaml").write_text(PRIORS + "unused: {like: mine}\n")
    assert address(folder, "injections") == before
    (folder / "priors.yaml").write_text("mine: {like: observed-colours, q: {measure: uniform, low: 0.3, high: 0.9}}\n")
    assert address(folder, "injections") != before


@pytest.mark.parametrize("times", ["kept", "new"])
@pytest.mark.parametrize("stage", STAGES)
def test_a_project_that_was_moved_or_copied_has_the_addresses_it_had(folder, tmp_path_factory, stage, times):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "copy"
    shutil.copytree(folder, elsewhere, copy_function=shutil.copy2 if times == "kept" else shutil.copyfile)
    assert address(elsewhere, stage) == address(folder, stage)


def test_stamps_count_by_every_file_of_theirs_though_a_list_of_checksums_says_otherwise(real, tmp_path):
    raw = yaml.safe_load((HERE.parent / "pipelines" / "real-sample.yaml").read_text())
    settings = config.load(HERE.parent / "pipelines" / "real-sample.yaml")
    root = tmp_path / "data"
    files = Run(settings).survey.files()
    assert len(files) > 5
    for path in files:
        copy = root / path.relative_to(settings.survey.root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    shutil.copyfile(Path(settings.survey.root) / "SHA256SUMS", root / "SHA256SUMS")
    place = Run(settings.model_copy(update={"survey": settings.survey.model_copy(update={"root": str(root)})}))
    assert raw["survey"]["layout"] == "stamps"
    for name in ("manifest", "cutouts"):
        whole = STAGES[name].inputs(Run(settings))
        assert STAGES[name].inputs(place) == whole
        for path in files:
            copy = root / path.relative_to(settings.survey.root)
            content = copy.read_bytes()
            copy.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
            assert STAGES[name].inputs(place) != whole, path
            copy.write_bytes(content)


@pytest.mark.parametrize("stage", STAGES)
def test_what_a_stage_did_not_declare_is_refused_when_it_is_asked_for(folder, stage):
    place = given(Run(settings_of(folder)), stage)
    with pytest.raises(
        NotGivenError,
        match=(
            f"stage '{stage}' reads the setting 'cluster', which its address does not hold: "
            "add 'cluster' to its `sections`"
        ),
    ):
        _ = place.settings.cluster
    own = {path.name for path in STAGES[stage].products(place)}
    allowed = own | {
        path.name for name in STAGES[stage].reads for path in STAGES[name].products(Run(settings_of(folder)))
    }
    every = {path.name for one in STAGES.values() for path in one.products(Run(settings_of(folder)))}
    for name in every:
        if name in allowed:
            assert place.path(name).name == name
        else:
            with pytest.raises(NotGivenError, match=f"stage '{stage}' opens the product '{name}'"):
                place.path(name)


def finish(place, name, digest="0", gates=()):
    """A summary as a finished stage leaves it, with what it reads as it is now."""
    progress = plan_of(place).progress(name)
    progress.start()
    progress.finish({"digest": digest, "gates": list(gates), "ledgers": {}})
    return progress


@pytest.fixture
def finished(folder):
    """Every stage is finished, as far as the plans say."""
    place = Run(settings_of(folder))
    for name in STAGES:
        finish(place, name)
    return place


@pytest.mark.parametrize(("stage", "read"), [(name, read) for name, stage in STAGES.items() for read in stage.reads])
def test_another_product_is_another_address_or_other_sources_of_each_stage_that_reads_it(finished, stage, read):
    before = plan_of(finished).progress(stage)
    assert before.done
    finish(finished, read, digest="1")
    for name in STAGES[read].reads:
        assert plan_of(finished).progress(name).done
    try:
        again = plan_of(finished).progress(stage)
    except PlanError:
        return  # something in between is to be done first
    assert again.done is None


def test_a_page_is_made_again_when_a_gate_of_what_it_tells_of_has_another_verdict(finished):
    gate = {"id": "a", "claim": "c", "measure": "m", "value": 1.0, "minimum": 2.0, "verdict": "fail"}
    assert plan_of(finished).progress("report").done
    finish(finished, "failures", gates=[gate])
    assert plan_of(finished).progress("report").done is None


@pytest.mark.parametrize("stage", STAGES)
def test_a_release_changes_no_address_and_the_format_of_a_stage_changes_its_own(finished, monkeypatch, stage):
    monkeypatch.setattr("lenscal.__version__", "99.1.7")
    assert all(plan_of(finished).progress(name).done for name in STAGES)
    monkeypatch.setattr(type(STAGES[stage]), "format", STAGES[stage].format + 1)
    assert plan_of(finished).progress(stage).done is None
    before = list(STAGES)[: list(STAGES).index(stage)]
    assert all(plan_of(finished).progress(name).done for name in before)


def test_a_summary_that_was_edited_by_hand_vouches_for_nothing(finished):
    path = finished.plans / "failures" / "done.json"
    text = path.read_text()
    path.write_text(text.replace('"digest": "0"', '"digest": "1"'))
    assert path.read_text() != text
    assert plan_of(finished).progress("failures").done is None


def test_a_run_of_a_release_without_formats_is_named_as_such(finished):
    progress = Progress(finished.folder, "failures", {"lenscal": "0.1.0", "schema": 1, "settings": {}})
    progress.start()
    assert plan_of(finished).progress("failures").changes == [
        "an older lenscal (0.1.0), whose addresses did not hold all that a product depends on"
    ]


def test_a_worker_with_other_sources_or_other_settings_than_the_run_does_no_block(finished):
    from lenscal.engine import Block
    from lenscal.engine.code import code
    from lenscal.engine.working import Order, do_block

    progress = plan_of(finished).progress("cutouts")
    message, block = plan_of(finished).pipeline.message, Block("000000000", {"start": 0, "stop": 1})
    with pytest.raises(
        PlanError, match="this worker was started with other sources of lenscal than the run; start the workers anew"
    ):
        do_block(Order(message, "cutouts", progress.wanted, "other"), block)
    other_settings = progress.wanted | {"settings": progress.wanted["settings"] | {"seed": 8}}
    with pytest.raises(PlanError, match="settings that arrived at this worker are not those of the run"):
        do_block(Order(message, "cutouts", other_settings, code()), block)


def test_a_block_that_was_at_work_when_the_sources_changed_leaves_no_marker(finished, monkeypatch):
    from lenscal.engine import Block, Outcome
    from lenscal.engine.working import marked

    progress, block = plan_of(finished).progress("failures"), Block("whole")
    monkeypatch.setattr("lenscal.engine.code._sources_now", lambda: "newer")
    with pytest.raises(PlanError, match="lenscal's own sources were changed while the run was at work; run again"):
        marked(finished, STAGES["failures"], progress, block, Outcome(1))
    assert progress.outcome(block) is None
    monkeypatch.undo()
    assert marked(finished, STAGES["failures"], progress, block, Outcome(1)).digest == 1
    assert progress.outcome(block).digest == 1


PROGRAM = """
import os, pathlib, sys
import lenscal.engine
from lenscal.engine import code as plan

package = pathlib.Path(lenscal.__file__).parent
assert package.parent == pathlib.Path(sys.argv[1])
plan.same_code(plan.code())
for name in ("channels.py", "profiles.yaml", "audit/stages/scores.py", "new.py"):
    path = package / name
    before = path.read_text() if path.exists() else None
    if before is not None:
        os.utime(path, ns=(1, 1))
        plan.same_code(plan.code())  # copied again, the same
    path.write_text((before or "") + "# changed")
    try:
        plan.same_code(plan.code())
    except lenscal.engine.PlanError as error:
        print(name, error)
    path.unlink() if before is None else path.write_text(before)
    plan.same_code(plan.code())
"""


def test_a_file_of_lenscal_that_is_changed_added_or_put_back_is_seen_as_it_is(tmp_path):
    import subprocess
    import sys

    shutil.copytree(HERE.parent / "lenscal", tmp_path / "lenscal", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "program.py").write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, "program.py", tmp_path],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.count("lenscal's own sources were changed while the run was at work") == 4


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            OSError(5, "Input/output error", "/data/x.fits"),
            "'/data/x.fits' cannot be read or written: Input/output error",
        ),
        (TimeoutError("no answer"), "the disk or a service failed: no answer"),
    ],
)
def test_what_a_disk_refuses_anywhere_in_a_run_is_one_sentence(folder, monkeypatch, error, text):
    from lenscal.audit import run
    from lenscal.io.stores import StoreError

    def refuse(place):
        raise error

    monkeypatch.setattr(STAGES["objects"], "inputs", refuse, raising=False)
    with pytest.raises(StoreError, match=f"{text}; what is complete stays complete: mend it and run again to go on"):
        run(settings_of(folder), ["objects"])
