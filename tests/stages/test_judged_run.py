"""What the judgement takes from a run: how near a galaxy is to the edge of its brick, and whether its detector can be
asked at all.
"""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from judged import SETTINGS

from lenscal import gates as gate_table
from lenscal import realism, schema
from lenscal.audit import judgement
from lenscal.errors import InputError
from lenscal.scores import counterfactuals

BRICKS = pd.DataFrame(
    {"brickname": ["a", "b"], "ra1": [10.0, 10.25], "ra2": [10.25, 10.5], "dec1": [60.0, 60.0], "dec2": [60.25, 60.25]}
)


def place(bricks=BRICKS, has_catalogue=True, **more):
    survey = SimpleNamespace(has_catalogue=has_catalogue, bricks=lambda: bricks)
    return SimpleNamespace(survey=survey, settings=SimpleNamespace(scores=SETTINGS, seed=1), **more)


def test_the_edge_of_a_brick_is_the_nearest_of_four_on_the_sky():
    table = pd.DataFrame(
        {"brickname": ["a", "b", "c", "a"], "ra": [10.24, 10.375, 1.0, 10.125], "dec": [60.125, 60.24, 1.0, np.nan]}
    )
    found = judgement._brick_edge(place(), table)
    np.testing.assert_allclose(found[:2], [36 * np.cos(np.radians(60.125)), 36], rtol=1e-6)
    assert np.isnan(found[2:]).all()


def test_a_sample_without_bricks_or_without_their_edges_has_no_distance():
    table = pd.DataFrame({"brickname": ["a"], "ra": [10.24], "dec": [60.1]})
    assert np.isnan(judgement._brick_edge(place(has_catalogue=False), table)).all()
    assert np.isnan(judgement._brick_edge(place(BRICKS.drop(columns="ra1")), table)).all()


@pytest.mark.parametrize(
    ("detector", "said"),
    [
        (SimpleNamespace(asked=False), "known by its scores alone"),
        (SimpleNamespace(), "cannot be asked about other images: no pixels for you"),
    ],
)
def test_a_detector_that_cannot_be_asked_is_not_judged_by_counterfactuals(monkeypatch, detector, said):
    chosen = pd.DataFrame({"galaxy_id": [1, 2]})
    monkeypatch.setattr(realism, "trials", lambda injections: chosen)
    monkeypatch.setattr(realism, "one_per_host", lambda table, count, seed: table)

    def refuse(*_):
        raise InputError("no pixels for you")

    monkeypatch.setattr(judgement, "_asked", refuse)
    one = place(detector=detector, store=lambda *_: None)
    table, gates = judgement.counterfactuals(one, 0.0, "")
    assert table["name"].tolist() == list(counterfactuals.ABOUT)
    assert {gate.verdict for gate in gates} == {gate_table.NOT_JUDGED}
    assert all(said in gate.cannot for gate in gates)
    monkeypatch.setattr(realism, "one_per_host", lambda table, count, seed: table.iloc[:0])
    assert "no injection has an image" in judgement.counterfactuals(one, 0.0, "")[1][0].cannot


def test_counterfactuals_that_the_run_file_leaves_out_are_absent():
    one = place()
    one.settings.scores = SETTINGS.model_copy(update={"counterfactuals": 0})
    table, gates = judgement.counterfactuals(one, 0.0, "")
    assert table.empty
    declared = schema.JUDGEMENT["counterfactuals"]
    declared.check_table(declared.cast_table(table))
    assert {gate.verdict for gate in gates} == {gate_table.ABSENT}
