"""What is declared is what is tested: floors leave out what is known bad, pins satisfy what is declared, and
every requirement is used.
"""

import ast
import re
import subprocess
import sys
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version
from places import ROOT, TESTS

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = {name: [Requirement(line) for line in lines] for name, lines in PROJECT["optional-dependencies"].items()}
CORE = [Requirement(line) for line in PROJECT["dependencies"]]
EVERY = [requirement for group in (CORE, *EXTRAS.values()) for requirement in group if requirement.name != "lenscal"]
BAD = yaml.safe_load((TESTS / "house" / "known_bad.yaml").read_text())
PINS = {
    canonicalize_name(line.partition("==")[0]): line.partition("==")[2]
    for line in (ROOT / "constraints.txt").read_text().splitlines()
    if line and not line.startswith("#")
}
IMPORTED_AS = {
    "pyyaml": "yaml",
    "pillow": "PIL",
    "scikit-learn": "sklearn",
    "arro3-core": "arro3",
    "universal-pathlib": "upath",
    "dask-cloudprovider": "dask_cloudprovider",
    "rocket-fft": "rocket_fft",
}
"""Module of a requirement, where it has another name."""
NOT_IMPORTED = {
    "lenscat": "its file is read (lenscal/io/datasets.py)",
    "s3fs": "fsspec opens buckets with it",
    "lsdb": "users open the galaxies of a run with it",
}
TOOLS = {"pytest", "pytest-xdist", "ruff", "import-linter", "mypy"}


def floor(requirement):
    """The oldest version that a requirement allows."""
    lowest = [Version(spec.version) for spec in requirement.specifier if spec.operator in (">=", "==", "~=")]
    return max(lowest) if lowest else None


def excluded(requirement, versions):
    """Whether the floor leaves out a range of versions: it lies above all of it, or the range is refused by name."""
    bad = SpecifierSet(versions)
    ends = [Version(spec.version.removesuffix(".*")) for spec in bad]
    tried = [*ends, *([floor(requirement)] if floor(requirement) else [Version("0")])]
    return not any(
        requirement.specifier.contains(version, prereleases=True) and bad.contains(version, prereleases=True)
        for version in tried
    )


@pytest.mark.parametrize("entry", BAD, ids=lambda entry: f"{entry['library']}{entry['versions']}: {entry['why'][:30]}")
def test_floors_leave_out_what_is_known_bad(entry):
    assert entry["why"], entry
    assert entry["seen"], entry
    of = [
        requirement
        for requirement in EVERY
        if canonicalize_name(requirement.name) == canonicalize_name(entry["library"])
    ]
    assert all(excluded(requirement, entry["versions"]) for requirement in of), (
        f"{of} allows {entry['versions']}: {entry['why']}"
    )
    pin = PINS.get(canonicalize_name(entry["library"]))
    assert pin is None or not SpecifierSet(entry["versions"]).contains(pin), (
        f"constraints.txt pins {pin}: {entry['why']}"
    )


@pytest.mark.parametrize(
    ("requirement", "versions", "out"),
    [
        ("dask>=2026.6", "<2026.6", True),
        ("dask>=2026.1", "<2026.6", False),
        ("dask", "<2026.6", False),
        ("x>=1.3", "==1.4.*", False),
        ("x>=1.3,!=1.4.*", "==1.4.*", True),
        ("x>=1.5", "==1.4.*", True),
    ],
)
def test_the_comparison_itself_can_fail(requirement, versions, out):
    assert excluded(Requirement(requirement), versions) == out


@pytest.mark.parametrize("requirement", EVERY, ids=str)
def test_pins_satisfy_what_is_declared(requirement):
    pin = PINS[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(pin), (
        f"constraints.txt pins {requirement.name} {pin}, pyproject.toml declares {requirement}"
    )


def test_every_line_of_the_constraints_is_one_pin_from_an_index():
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9.]+", line) for line in lines), [
        line for line in lines if not re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9.]+", line)
    ]
    assert len(PINS) == len(lines) > 100
    assert "lenscal" not in PINS
    assert sorted(PINS) == [
        canonicalize_name(line.partition("==")[0])
        for line in sorted(lines, key=lambda line: canonicalize_name(line.partition("==")[0]))
    ]


def test_every_floor_is_named_and_once():
    names = [canonicalize_name(requirement.name) for requirement in CORE]
    assert len(set(names)) == len(names)
    untested = TOOLS | {"hypothesis"}
    assert all(floor(requirement) for requirement in EVERY if canonicalize_name(requirement.name) not in untested)


def test_extras_are_those_that_messages_name():
    from lenscal.extras import EXTRA_OF, NEEDED_FOR

    assert set(EXTRAS) == {"docs", "detector", "mock", "lsdb", "ec2", "onnx", "openvino", "hdf5", "release", "test"}
    assert set(EXTRA_OF.values()) == set(NEEDED_FOR) == set(EXTRAS) - {"docs", "test"}
    for library, extra in EXTRA_OF.items():
        assert library in {IMPORTED_AS.get(r.name, r.name) for r in EXTRAS[extra]}
    own = next(requirement for requirement in EXTRAS["test"] if requirement.name == "lenscal")
    assert own.extras == {"detector", "docs", "ec2", "hdf5", "mock", "lsdb", "onnx", "openvino", "release"}


def imported(*folders):
    """Top names of the modules that the files of some folders import."""
    found = set()
    for folder in folders:
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    found |= {alias.name.partition(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    found.add(node.module.partition(".")[0])
    return found


PACKAGE, TESTS = imported("lenscal"), imported("tests", "benchmarks")


@pytest.mark.parametrize(
    "requirement", [*CORE, *(r for name in EXTRAS if name not in ("docs", "test") for r in EXTRAS[name])], ids=str
)
def test_every_requirement_of_the_package_is_used_by_it(requirement):
    module = IMPORTED_AS.get(requirement.name, requirement.name)
    assert (module in PACKAGE) != (requirement.name in NOT_IMPORTED), (
        f"{requirement.name} is imported nowhere in lenscal, or NOT_IMPORTED names it for nothing"
    )


@pytest.mark.parametrize("requirement", [r for r in EXTRAS["test"] if r.name not in TOOLS | {"lenscal"}], ids=str)
def test_every_requirement_of_the_tests_is_used_by_them(requirement):
    assert IMPORTED_AS.get(requirement.name, requirement.name) in TESTS


def test_what_is_imported_is_declared():
    """What comes with another library (such as fsspec with dask) may go with it."""
    declared = {
        IMPORTED_AS.get(r.name, r.name).replace("-", "_")
        for r in [*CORE, *(r for name in EXTRAS if name not in ("docs", "test") for r in EXTRAS[name])]
    }
    with_others = {
        "fsspec": "dask",
        "distributed": "dask",
        "tornado": "dask",
        "psutil": "dask",
        "packaging": "dask",
        "botocore": "s3fs",
        "aiohttp": "s3fs",
        "urllib3": "requests",
        "markupsafe": "jinja2",
        "llvmlite": "numba",
        "fontTools": "matplotlib",
    }
    assert set(with_others.values()) <= declared
    assert PACKAGE - declared - set(with_others) - set(sys.stdlib_module_names) - {"lenscal"} == set()


def test_make_installs_by_the_constraints():
    text = (ROOT / "Makefile").read_text()
    installs = [
        line for line in text.splitlines() if "pip install" in line and "lenscal" not in line and "-U pip" not in line
    ]
    assert len(installs) == 2
    assert all("-c constraints.txt -e" in line for line in installs)
    assert "'.[detector,mock]'" in installs[0]
    assert "'.[test]'" in installs[1]


@pytest.mark.parametrize(
    ("python", "environment"),
    [("", ".venv/"), ("PYTHON=python3.13", ".venv-python3.13/"), ("PYTHON=/opt/bin/python3.12", ".venv-python3.12/")],
)
def test_another_python_has_an_environment_of_its_own(python, environment):
    """Else tests that were asked for on one Python would run on the other, without a word."""
    done = subprocess.run(
        ["make", "-n", "test", *python.split()], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert f"{environment}bin/python -m pytest" in done.stdout, done.stderr
