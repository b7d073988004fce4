"""A sample of the faults of `make faultpoints`: a disk that fails at some moment is named, and leaves nothing behind that counts."""

import pytest
from faultpoints import MODES, prepared

pytestmark = pytest.mark.filterwarnings("ignore")


def sample(trial):
    """One fault of each kind at each kind of point, at moments spread over the stage."""
    kinds = [(kind, mode) for kind, modes in MODES.items() for mode in modes]
    of_kind = {pair: [fault for fault in trial.faults() if (trial.points[fault[0]][0], fault[1]) == pair] for pair in kinds}
    return [of_kind[pair][(2 * i + 1) * len(of_kind[pair]) // (2 * len(kinds))] for i, pair in enumerate(kinds)]


def test_a_fault_at_any_point_is_named_and_leaves_no_trace(tmp_path):
    wrong = []
    for trial in prepared(tmp_path, ("objects", "manifest")):
        assert len(trial.faults()) > 300
        for fault in sample(trial):
            if said := trial.wrong(fault):
                wrong.append(f"{trial.told(fault)}: {said}")
    assert not wrong, "\n".join(wrong)


def test_a_fault_that_is_swallowed_is_found(tmp_path, monkeypatch):
    """The harness itself: a stage that hides a failed write, and one that lets Python's own error through, do not pass."""
    from lenscal.io import folders, stores

    trials = prepared(tmp_path, ("objects",))
    trial = next(trials)
    n = next(n for n, (kind, path) in enumerate(trial.points) if kind == "write" and "lenses.parquet" in path)
    assert trial.wrong((n, "error")) == ""
    write = folders.write_bytes

    def silent(path, content):
        try:
            write(path, content)
        except stores.StoreError:
            write(path, b"")

    monkeypatch.setattr(stores, "write_bytes", silent)
    assert trial.wrong((n, "error")) != ""
    trials.close()
