"""A sample of the faults of `make faultpoints`, over every stage: a disk that fails at some moment is named, and leaves nothing behind that counts."""

import pytest
from faultpoints import STAGES, prepared
from points import MODES

pytestmark = pytest.mark.filterwarnings("ignore")
KINDS = [(kind, mode) for kind, modes in MODES.items() if kind != "fsync" for mode in modes]


def sample(trial, number):
    """A third of the kinds of faults, each at one moment, with the number of the stage another third and another moment."""
    found = []
    for i, (kind, mode) in enumerate(KINDS):
        places = [n for n, (one, _) in enumerate(trial.points) if one == kind]
        if places and i % 3 == number % 3:
            found.append((places[(7 * number + 5 * i) * len(places) // 101 % len(places)], mode))
    return found


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """What is wrong with what came of the sample of each stage, in words; and how many faults there were."""
    found, wrong = {}, {}
    with prepared(tmp_path_factory.mktemp("faults"), plain=True) as trial_of:
        for number, stage in enumerate(STAGES):
            trial = trial_of(stage)
            chosen = sample(trial, number)
            wrong[stage] = [f"{trial.told(fault)}: {said}" for fault, said in trial.outcomes(chosen) if said]
            found[stage] = {(trial.points[n][0], mode) for n, mode in chosen}
            trial.end()
    return found, wrong


@pytest.mark.parametrize("stage", STAGES)
def test_a_fault_at_any_point_of_a_stage_is_named_and_leaves_no_trace(outcomes, stage):
    found, wrong = outcomes
    assert len(found[stage]) >= 3
    assert not wrong[stage], "\n".join(wrong[stage])


def test_every_kind_of_fault_is_in_the_sample(outcomes):
    assert set().union(*outcomes[0].values()) == set(KINDS)
