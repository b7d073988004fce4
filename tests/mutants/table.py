"""Writes docs/mutants.md: every fault, where it is put, and the tests that kill it.

python tests/mutants/table.py           # the page
python tests/mutants/table.py --run     # runs all of them here and prints what killed what: the proof of every row
"""

import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from faults import FAULTS  # noqa: E402
from harness import ROOT, Copy  # noqa: E402


def page() -> str:
    """The page, in Markdown."""
    lines = [
        "# Faults that the suite notices",
        "",
        f"{len(FAULTS)} faults of physics and statistics, each a change of text in the real source, put into a copy "
        "of the package whose tests then run",
        "in a process of their own (`tests/mutants/`). Every test named here fails with the fault and passes without "
        "it, and nothing else goes wrong:",
        "`make mutants` tries all, `make test` one in ten, others with each change of the sources. Written from "
        "`tests/mutants/faults.py` (`python tests/mutants/table.py`).",
        "",
        "| fault | in | killed by |",
        "| --- | --- | --- |",
    ]
    for fault in FAULTS:
        killers = ", ".join(f"`{test.split('::')[1]}`" for test in fault.killers)
        lines.append(f"| {fault.name} | `lenscal/{fault.file}` | {killers} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    if "--run" not in sys.argv:
        (ROOT / "docs" / "mutants.md").write_text(page())
        return 0
    survivors = 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Copy(Path(folder) / "copy")
        tests = tuple(dict.fromkeys(test for fault in FAULTS for test in fault.killers))
        sound = copy.run(tests)
        if sound.failed or sound.broken:
            print("without a fault:", sound)
            return 1
        for fault in FAULTS:
            start = time.perf_counter()
            outcome = copy.run(fault.killers, fault)
            names = {test.rsplit("/", 1)[-1].split("[")[0] for test in fault.killers}
            killed = {name.split("[")[0] for name in outcome.failed} == names and not outcome.broken
            survivors += not killed
            print(
                f"{'killed' if killed else 'SURVIVED':9s} {time.perf_counter() - start:5.1f} s  {fault.name}: "
                f"{', '.join(outcome.failed)}",
                *outcome.broken,
                flush=True,
            )
        copy.close()
    print(f"{len(FAULTS) - survivors} of {len(FAULTS)} killed")
    return int(survivors > 0)


if __name__ == "__main__":
    raise SystemExit(main())
