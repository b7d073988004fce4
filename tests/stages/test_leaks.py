"""Nothing that judges a detector has trained it: hosts, anchors and the negatives of its threshold, and what is
not known is not judged.
"""

from types import SimpleNamespace

import numpy as np
import pytest
from scored import Mean, scored

from lenscal import config, leaks
from lenscal import gates as gate_table
from lenscal import scores as stage

N = 60
SPLIT = np.repeat(["train", "val", "test"], 20)
LABEL = np.tile([1, 0, 0, 0], 15)
ROLE = np.where(LABEL == 1, np.where(SPLIT == "train", "train", "anchor"), "none")
HOSTS = np.flatnonzero((LABEL == 0) & (SPLIT != "train"))
JUDGED = ("X.2.trained", "X.2.hosts", "X.2.negatives", "X.4", "X.11", "2.7")


def run(mock=0, layer="ls-dr10-south", shift=0.0, positions=True):
    rng = np.random.default_rng(2)
    ra = 150 + np.arange(N) * 0.1 + shift if positions else np.full(N, np.nan)
    table = scored(rng.normal(3.0 * LABEL, 1), SPLIT, LABEL, role=ROLE, ra=ra)
    table["dec"] = table["dec"].dims, np.full(N, 10.0 if positions else np.nan), table["dec"].attrs
    return table.assign_attrs(mock=mock, layer=layer)


def detector(rows, table=None, survey={"layer": "ls-dr10-south", "mock": False}, ids=None):  # noqa: B006
    """A brought detector that was trained on these rows of a table, whose positions it knows
    when the table is given.
    """
    made = Mean()
    made.training_ids = np.asarray(rows if ids is None else ids)
    made.survey = survey
    made.training_positions = (
        None if table is None else np.stack([table["ra"].values[rows], table["dec"].values[rows]], 1)
    )
    return made


TRAIN = np.flatnonzero(SPLIT == "train")
PLACES = {
    "X.2.hosts": HOSTS[-1],
    "X.2.negatives": np.flatnonzero((SPLIT == "val") & (LABEL == 0))[0],
    "X.4": np.flatnonzero(ROLE == "anchor")[0],
    "X.11": np.flatnonzero(ROLE == "anchor")[-1],
    "X.2.trained": np.flatnonzero((SPLIT == "test") & (LABEL == 1))[0],
}
"""A row of each kind that must not have been trained on."""


def verdicts(table, frozen, history=None, hosts=HOSTS):
    found = gate_table.table(stage.gates(table, history, frozen, hosts)).set_index("id")
    return found["verdict"][list(JUDGED)].to_dict(), found


@pytest.mark.parametrize("positions", [True, False])
def test_a_sound_detector_passes_brought_or_not(positions):
    table = run(positions=positions)
    made = detector(TRAIN, table if positions else None)
    found, rows = verdicts(table, made)
    assert set(found.values()) == {gate_table.PASS}, found
    assert rows.loc[list(JUDGED), "critical"].all()


@pytest.mark.parametrize("failing", PLACES)
@pytest.mark.parametrize("known", ["by id", "by id and position", "by position alone"])
def test_a_leak_of_each_kind_fails(failing, known):
    table = run()
    rows = np.append(TRAIN, PLACES[failing])
    other = rows + 10**6 if known == "by position alone" else None
    made = detector(rows, None if known == "by id" else table, ids=other)
    found, _ = verdicts(table, made)
    assert found[failing] == gate_table.FAIL


def test_injections_on_training_galaxies_fail_also_for_a_detector_of_this_run():
    import pandas as pd

    history = pd.DataFrame({"epoch": [1, 2, 3], "val_loss": [0.4, 0.2, 0.3]})
    made = SimpleNamespace(**vars(Mean()), hash=Mean.hash, reliability=Mean().reliability)
    made.training_ids = TRAIN
    found, _ = verdicts(run(), made, history, hosts=np.append(HOSTS, TRAIN[1]))
    assert found["X.2.hosts"] == gate_table.FAIL
    found, _ = verdicts(run(), made, history)
    assert found["X.2.hosts"] == gate_table.PASS


@pytest.mark.parametrize(
    ("why", "made"),
    [
        ("without a list of what trained it", lambda table: detector(TRAIN, None, ids=np.empty(0, np.int64))),
        ("does not say on which survey it was trained", lambda table: detector(TRAIN, None, survey=None)),
        (
            "scored on 'ls-dr10-south', and without positions",
            lambda table: detector(TRAIN, None, survey={"layer": "ls-dr9", "mock": False}),
        ),
    ],
)
def test_what_is_not_known_is_not_judged(why, made):
    table = run()
    found, rows = verdicts(table, made(table))
    assert set(found.values()) == {gate_table.NOT_JUDGED}
    assert rows.loc[list(JUDGED), "cannot"].str.contains(why).all()
    assert rows.loc[list(JUDGED), "value"].isna().all()


def test_ids_of_another_sky_that_coincide_are_other_galaxies():
    # The same ids, the embedded sky elsewhere: positions of training rows do not lie on these.
    table, elsewhere = run(mock=1, layer="mock"), run(mock=1, layer="mock", shift=40.0)
    dim = table.assign(arc_snr=table["arc_snr"] * 0)
    made = detector(np.arange(N), elsewhere, survey={"layer": "mock", "mock": True})
    found, _ = verdicts(dim, made)
    assert gate_table.FAIL not in found.values()
    real = detector(np.arange(N), None, survey={"layer": "mock", "mock": True})
    found, rows = verdicts(run().assign(arc_snr=table["arc_snr"] * 0), real)
    assert gate_table.FAIL not in found.values()
    assert "another sky" in rows.loc["X.4", "evidence"]


def test_training_rows_that_are_no_cutouts_here_are_seen_by_their_positions():
    table = run()
    anchor = int(PLACES["X.4"])
    made = detector(TRAIN, table)
    near = [table["ra"].values[anchor] + 8 / 3600, 10.0]
    made.training_positions = np.append(made.training_positions, [near], axis=0)
    made.training_ids = np.append(made.training_ids, 10**9)
    found, _ = verdicts(table, made)
    assert found["X.11"] == gate_table.FAIL
    assert found["X.4"] == gate_table.PASS


def test_names_of_splits_are_checked():
    for names in (["val", "tset"], [], ["Train"]):
        with pytest.raises(ValueError, match="no split that hosts may come from; known: train, val, test, none"):
            config.Manifest(host_splits=names)
    assert config.Manifest(host_splits=["train", "none"]).host_splits == ["train", "none"]


def test_the_radius_of_an_anchor_is_that_of_the_exclusion():
    assert config.Manifest().exclusion_radius_arcsec == leaks.ANCHOR_RADIUS
