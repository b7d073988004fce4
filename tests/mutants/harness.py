"""Puts one fault into a copy of the package and runs the tests that should notice, in a process of their own.

The fault is a change of text in the real source. Children are forked from a process that has loaded the outside
libraries but nothing of lenscal; each makes sure that the copy is what it tests, and says which tests failed. A child
that cannot import or collect its tests, or whose fixtures break, has killed nothing.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

CHILD = """
import json, os, signal, sys
from pathlib import Path
import numba, numpy, pandas, pydantic, pytest, rocket_fft, xarray, yaml
import scipy.integrate, scipy.interpolate, scipy.optimize, scipy.special

copy = sys.argv[1]
sys.path.insert(0, copy)

class Outcomes:
    def __init__(self):
        self.passed, self.failed, self.broken = [], [], []
    def pytest_runtest_makereport(self, item, call):
        name = item.nodeid.rsplit("/", 1)[-1]
        if call.excinfo is not None:
            # A test fails by what it asserts or by what the code under it raises; a fixture that breaks is no verdict.
            (self.failed if call.when == "call" else self.broken).append(name)
        elif call.when == "call":
            self.passed.append(name)
    def pytest_collectreport(self, report):
        if report.failed:
            self.broken.append(report.nodeid)

def job(report, tests):
    import lenscal
    assert Path(lenscal.__file__).is_relative_to(copy), f"{lenscal.__file__} is not in the copy {copy}"
    outcomes = Outcomes()
    options = ["-q", "--no-header", "-p", "no:cacheprovider", "-p", "no:xdist", "-o", "addopts="]
    pytest.main([*options, *tests], plugins=[outcomes])
    Path(report).write_text(json.dumps(vars(outcomes)))

loaded = any(name.split(".")[0] == "lenscal" for name in sys.modules)
assert not loaded, "the package was loaded before the fault was put in"
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
for line in sys.stdin:
    report, *tests = json.loads(line)
    child = os.fork()
    if not child:
        signal.alarm(1200)
        code = 1
        try:
            job(report, tests)
            code = 0
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    answers.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\\n")
    answers.flush()
"""


class FaultError(RuntimeError):
    """A fault that cannot be put in: its line is not there, or more than once."""


def _folded(text: str) -> tuple[str, list[int]]:
    """Code without what a formatter may change (space, and a comma before a closing bracket), and
    where each letter stood.
    """
    dense = [(place, letter) for place, letter in enumerate(text) if not letter.isspace()]
    following = [*(letter for _, letter in dense[1:]), ""]
    kept = [one for one, after in zip(dense, following) if not (one[1] == "," and after and after in ")]}")]
    return "".join(letter for _, letter in kept), [place for place, _ in kept]


@dataclass(frozen=True)
class Fault:
    """One physics fault: in `file` (below lenscal/) the text `old` becomes `new`; `killers` are
    the tests that must notice.
    """

    name: str
    file: str
    old: str
    new: str
    killers: tuple[str, ...]

    def apply(self, text: str) -> str:
        """The text with the fault in it; how the code is laid out (spaces, lines, trailing commas) does not matter."""
        letters, places = _folded(text)
        old, _ = _folded(self.old)
        if letters.count(old) != 1:
            raise FaultError(
                f"fault '{self.name}': {self.file} holds {self.old!r} {letters.count(old)} times, not once"
            )
        start = letters.index(old)
        return text[: places[start]] + self.new.strip() + text[places[start + len(old) - 1] + 1 :]


@dataclass(frozen=True)
class Outcome:
    """Names of tests (file::test) of one child process."""

    passed: tuple[str, ...]
    failed: tuple[str, ...]
    broken: tuple[str, ...]


def tenth(faults: tuple[Fault, ...], seed: str) -> tuple[Fault, ...]:
    """One fault in ten, in their order: others with each seed, the same with the same one."""
    rank = lambda fault: hashlib.blake2b(f"{seed}\0{fault.name}".encode(), digest_size=8).digest()  # noqa: E731
    chosen = set(sorted(map(rank, faults))[: -(-len(faults) // 10)])
    return tuple(fault for fault in faults if rank(fault) in chosen)


def sources() -> str:
    """Digest of the package's sources: a seed that changes with them, and not with the day."""
    total = hashlib.blake2b(digest_size=16)
    for path in sorted((ROOT / "lenscal").rglob("*.py")):
        total.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return total.hexdigest()


class Copy:
    """A copy of the package in a folder of its own; compiled kernels of the unchanged package
    are kept between faults.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(ROOT / "lenscal", folder / "lenscal", ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "child.py").write_text(CHILD)
        environment = {
            **os.environ,
            "NUMBA_CACHE_DIR": str(folder / "compiled"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        environment.pop("PYTHONPATH", None)
        self._log = (folder / "log").open("w+")
        self._server = subprocess.Popen(
            [sys.executable, "child.py", str(folder)],
            cwd=folder,
            env=environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
        )

    def close(self) -> None:
        """End the process that the children come from."""
        self._server.stdin.close()
        self._server.wait(timeout=30)
        self._server.stdout.close()
        self._log.close()

    def run(self, tests: tuple[str, ...], fault: Fault | None = None) -> Outcome:
        """Outcome of some tests (paths below tests/) with a fault, or without one."""
        if fault is None:
            return self._run(tests)
        path = self.folder / "lenscal" / fault.file
        text, stat = path.read_text(), path.stat()
        changed = fault.apply(text)
        path.write_text(changed)
        try:
            return self._run(tests)
        finally:
            path.write_text(text)
            os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # so that what was compiled from it still counts

    def _run(self, tests: tuple[str, ...]) -> Outcome:
        report = self.folder / "report.json"
        report.unlink(missing_ok=True)
        paths = [str(ROOT / "tests" / test) for test in tests]
        self._server.stdin.write(json.dumps([str(report), *paths]) + "\n")
        self._server.stdin.flush()
        code = self._server.stdout.readline().strip()
        if code != "0" or not report.exists():
            self._log.seek(max(0, (self.folder / "log").stat().st_size - 2000))
            return Outcome((), (), (f"the child process ended with {code or 'its parent'}: {self._log.read()}",))
        found = json.loads(report.read_text())
        return Outcome(*(tuple(dict.fromkeys(found[name])) for name in ("passed", "failed", "broken")))
