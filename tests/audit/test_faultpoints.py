"""A sample of the faults of `make faultpoints`, over every stage: a disk or service that fails at some moment is named,
and leaves nothing behind that counts.
"""

import pytest
from faultpoints import STAGES, small_run, stage_trials
from fetchpoints import MODES as FETCHES
from fetchpoints import TRIALS, fetch_trials
from points import MODES

pytestmark = pytest.mark.filterwarnings("ignore")
KINDS = [(kind, mode) for kind, modes in MODES.items() if kind != "fsync" for mode in modes]


def sample(trial, number):
    """Two kinds of faults, each at one moment, with the number of the stage other kinds and another moment."""
    found = []
    for i, (kind, mode) in enumerate(KINDS):
        places = [n for n, (one, _) in enumerate(trial.points) if one == kind]
        if places and i % 6 == number % 6:
            found.append((places[(7 * number + 5 * i) * len(places) // 101 % len(places)], mode))
    return found


def hidden(trial):
    """What is said of a failed write of one table where it is known, swallowed, turned into an error of Python's own,
    and told without a name.
    """
    from lenscal.io import folders
    from lenscal.io.stores import documents

    fault = (
        next(n for n, (kind, path) in enumerate(trial.points) if kind == "write" and "lenses.parquet" in path),
        "error",
    )
    said = {"known": trial.wrong(fault)}
    write = folders.write_bytes

    def instead(what):
        def written(path, content):
            try:
                write(path, content)
            except folders.StoreError:
                what(path)

        return written

    def own(path):
        raise KeyError(path.name)

    def nameless(path):
        raise folders.StoreError("something failed")

    for name, what in {"swallowed": lambda path: write(path, b""), "own": own, "nameless": nameless}.items():
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(documents, "write_bytes", instead(what))
            said[name] = trial.wrong(fault)
    return said


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """What is wrong with what came of the sample of each stage, in words; and how many faults there were."""
    found, wrong, folder = {}, {}, tmp_path_factory.mktemp("faults")
    with small_run(folder) as (settings, patched):
        trial_of = stage_trials(folder, settings, patched, plain=True)
        for number, stage in enumerate(STAGES):
            trial = trial_of(stage)
            chosen = sample(trial, number)
            wrong[stage] = [f"{trial.told(fault)}: {said}" for fault, said in trial.outcomes(chosen) if said]
            found[stage] = {(trial.points[n][0], mode) for n, mode in chosen}
            if stage == "objects":
                of_hidden = hidden(trial)
            trial.end()
        with fetch_trials(folder, settings, patched) as fetches_of:
            for number, name in enumerate(TRIALS):
                fetches = fetches_of(name)
                chosen = [((7 * i + 5) % fetches.requests, mode) for i, mode in enumerate(FETCHES) if i % 2 == number]
                wrong[name] = [f"{fetches.told(fault)}: {said}" for fault in chosen if (said := fetches.wrong(fault))]
                found[name] = {("fetch", mode) for _, mode in chosen}
    return found, wrong, of_hidden


@pytest.mark.parametrize("stage", [*STAGES, *TRIALS])
def test_a_fault_at_any_point_of_a_stage_is_named_and_leaves_no_trace(outcomes, stage):
    found, wrong, _ = outcomes
    assert len(found[stage]) >= 1
    assert not wrong[stage], "\n".join(wrong[stage])


def test_every_kind_of_fault_is_in_the_sample(outcomes):
    assert set().union(*outcomes[0].values()) == {*KINDS, *(("fetch", mode) for mode in FETCHES)}


def test_a_fault_that_is_swallowed_or_unnamed_is_found(outcomes):
    """The harness itself: a stage that hides a failed write, and one that lets Python's own error or a sentence without
    a name through, do not pass.
    """
    said = outcomes[2]
    assert said["known"] == ""
    assert said["swallowed"].startswith("silent: other bytes: objects/lenses.parquet")
    assert said["own"].startswith("an error of Python's own: KeyError")
    assert said["nameless"].startswith("an error that names nothing")
