"""No fault goes unnoticed: put into the real source, it fails the tests that are there to notice it.

One in ten is tried here, others with each change of the sources; `make mutants` tries all.
"""

from contextlib import closing

import pytest
from faults import FAULTS
from harness import ROOT, Copy, Fault, FaultError, sources, tenth
from table import page

CHOSEN = tenth(FAULTS, sources())
KILLERS = tuple(dict.fromkeys(test for fault in CHOSEN for test in fault.killers))


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The copy, once every killer passes on the package as it is: otherwise a failure would say nothing."""
    with closing(Copy(tmp_path_factory.mktemp("mutants"))) as copy:
        outcome = copy.run(KILLERS)
        assert not outcome.failed, outcome
        assert not outcome.broken, outcome
        names = {name.split("[")[0] for name in outcome.passed}
        assert names == {test.rsplit("/", 1)[-1].split("[")[0] for test in KILLERS}
        yield copy


@pytest.mark.parametrize("fault", CHOSEN, ids=lambda fault: fault.name.replace(" ", "-"))
def test_the_fault_is_killed_by_every_test_named_for_it(copy, fault):
    outcome = copy.run(fault.killers, fault)
    assert not outcome.broken, f"{fault.name}: the tests did not run: {outcome.broken}"
    failed = {name.split("[")[0] for name in outcome.failed}
    assert failed == {test.rsplit("/", 1)[-1].split("[")[0] for test in fault.killers}, (
        f"{fault.name} survived: {outcome}"
    )


def test_there_are_at_least_100_faults_and_each_has_its_own_name():
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) >= 100


def test_a_tenth_is_a_tenth_of_all_and_every_fault_has_its_turn():
    seen = set()
    for seed in range(100):
        chosen = tenth(FAULTS, str(seed))
        assert len(chosen) == -(-len(FAULTS) // 10)
        assert chosen == tenth(FAULTS, str(seed))
        seen |= {fault.name for fault in chosen}
    assert seen == {fault.name for fault in FAULTS}
    assert len(CHOSEN) >= len(FAULTS) / 10


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
def test_every_named_killer_is_a_test_of_the_suite(fault):
    for killer in fault.killers:
        file, _, name = killer.partition("::")
        assert f"def {name.split('[')[0]}(" in (ROOT / "tests" / file).read_text(), killer


def test_every_fault_is_in_the_real_source_exactly_once_and_changes_it():
    for fault in FAULTS:
        text = (ROOT / "lenscal" / fault.file).read_text()
        changed = fault.apply(text)
        assert changed != text
        compile(changed, fault.file, "exec")
    with pytest.raises(FaultError, match="0 times"):
        Fault("gone", "schema.py", "no such line", "", ()).apply("")


def test_a_fault_is_found_however_its_line_is_laid_out():
    fault = Fault("a", "f.py", "area(a, b=2) - 1", "area(a, b=3)", ())
    assert fault.apply("x = area(\n    a,\n    b=2,\n) - 1  # rest\n") == "x = area(a, b=3)  # rest\n"
    with pytest.raises(FaultError, match="2 times"):
        fault.apply("area(a, b=2) - 1, area(a,\n b=2) - 1")


def test_a_fault_that_does_not_change_the_physics_kills_nothing(copy):
    harmless = Fault("a comment", "kernels/light.py", "a = fwhm / (2 *", "a = 1.0 * fwhm / (2 *", ())
    outcome = copy.run(("kernels/test_light.py::test_a_moffat_image_falls_to_half_at_half_its_width",), harmless)
    assert (len(outcome.passed), outcome.failed, outcome.broken) == (1, (), ())


def test_a_copy_that_cannot_be_imported_counts_as_broken_not_as_killed(copy):
    syntax = Fault("syntax", "kernels/light.py", "def sersic_b(n)", "def sersic_b(n", ())
    outcome = copy.run(("kernels/test_light.py::test_b_n_of_an_exponential_is_the_known_number",), syntax)
    assert outcome.failed == ()
    assert outcome.broken != ()


def test_the_page_of_faults_is_current():
    assert (ROOT / "docs" / "mutants.md").read_text() == page(), "run python tests/mutants/table.py"
