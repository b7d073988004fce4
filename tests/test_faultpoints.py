"""A sample of the faults of `make faultpoints`: a disk that fails at some moment is named, and leaves nothing behind that counts."""

import pytest
from faultpoints import MODES, prepared

pytestmark = pytest.mark.filterwarnings("ignore")
SAMPLE = 10  # faults of each stage, evenly over all kinds and moments


def test_a_fault_at_any_point_is_named_and_leaves_no_trace(tmp_path):
    wrong, seen = [], set()
    for trial in prepared(tmp_path, ("objects", "manifest")):
        faults = trial.faults()
        assert len(faults) > 300
        for fault in faults[len(trial.stage) :: len(faults) // SAMPLE]:
            seen.add((trial.points[fault[0]][0], fault[1]))
            if said := trial.wrong(fault):
                wrong.append(f"{trial.told(fault)}: {said}")
    assert not wrong, "\n".join(wrong)
    assert {kind for kind, _ in seen} == {*MODES}, "every kind of point is among the sample"
    assert {mode for _, mode in seen} == {mode for modes in MODES.values() for mode in modes}


def test_a_fault_that_is_swallowed_is_found(tmp_path, monkeypatch):
    """The harness itself: a stage that hides a failed write, and one that lets Python's own error through, do not pass."""
    from lenscal.io import folders, stores

    trial = next(iter(prepared(tmp_path, ("objects",))))
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
