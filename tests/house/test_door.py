"""The door lists every public name once, is typed, costs nothing to open, and names the extra that a
missing library belongs to.
"""

import ast
import inspect
import os
import pkgutil
import re
import subprocess
import sys

import pytest
from places import ROOT

import lenscal
from lenscal.door import entries

STUB = ROOT / "lenscal" / "__init__.pyi"
NAMES = sorted(entries(str(STUB)))


def python(code, *options):
    done = subprocess.run([sys.executable, *options, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


def blocking(*libraries):
    """Code after which importing some libraries fails as if they were not installed."""
    return f"""
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {libraries!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
"""


def listed():
    """`__all__` of the stub by heading."""
    groups, title = {}, ""
    for line in STUB.read_text().partition("__all__ = [")[2].splitlines():
        if line.strip().startswith("# "):
            title = line.strip()[2:]
        elif line.strip().startswith('"'):
            groups.setdefault(title, []).append(line.strip().strip('",'))
    return groups


def test_dir_lists_what_the_stub_lists_and_nothing_else():
    assert dir(lenscal) == sorted([*NAMES, "__version__"])
    assert python("import lenscal, lenscal.audit.stages; print(dir(lenscal))") == str(dir(lenscal))
    names = [name for group in listed().values() for name in group]
    assert sorted(names) == NAMES, "__all__ of the stub and its imports differ"
    assert len(set(names)) == len(names)


def test_the_docstring_is_the_table_of_contents_of_the_stub():
    whole = re.sub(r",\n {9,}", ", ", lenscal.__doc__)  # a row of many names goes on in the next line
    rows = re.findall(r"^    ([A-Z][a-z ]+?)  +(.*)$", whole, re.M)
    assert {title: names.split(", ") for title, names in rows} == listed()


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_there_documented_and_says_how_it_is_called(name):
    found = getattr(lenscal, name)
    assert inspect.getdoc(found), f"{name} has no docstring"
    if inspect.isfunction(found):
        signature = inspect.signature(found)
        assert signature.return_annotation is not inspect.Signature.empty, name
        assert all(
            parameter.annotation is not inspect.Signature.empty for parameter in signature.parameters.values()
        ), name


def test_star_import_gives_the_public_names():
    assert set(python("from lenscal import *; print(*globals())").split()) >= set(NAMES)


def test_a_name_that_is_none_is_refused_and_submodules_that_are_not_listed_still_import():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'; dir"):
        lenscal.nonsense  # noqa: B018
    assert python("from lenscal import gates; print(gates.__name__)") == "lenscal.gates"


def test_a_function_has_never_the_name_of_a_submodule():
    """Importing that submodule would put it in the place of the function."""
    modules = {module.name for module in pkgutil.iter_modules(lenscal.__path__)}
    assert not {name for name in NAMES if name in modules and not inspect.ismodule(getattr(lenscal, name))}
    assert set(listed()["Modules"]) <= modules


def test_import_reads_no_library_and_dir_none_either():
    """Compared with Python alone, module by module: what is not imported costs nothing."""
    heavy = (
        "torch galsim healpy xarray pandas numpy scipy numba dask distributed zarr astropy sklearn matplotlib "
        "intake pydantic yaml lsdb lenscat"
    )
    code = f"import sys, lenscal; dir(lenscal); print([m for m in '{heavy}'.split() if m in sys.modules])"
    assert python(code) == "[]"
    plain = set(python("import sys; print(*sys.modules)").split())
    after = set(python("import sys, lenscal; print(*sys.modules)").split())
    assert len(after - plain) < 40, sorted(after - plain)


def test_import_costs_less_than_three_tenths_of_a_second_of_the_processor():
    code = "import time; t = time.process_time(); import lenscal; dir(lenscal); print(time.process_time() - t)"
    assert min(float(python(code)) for _ in range(3)) < 0.3


@pytest.mark.parametrize(
    ("library", "extra", "use"),
    [
        ("torch", "detector", "lenscal.Frozen"),
        ("torch", "detector", "lenscal.load_detector({})"),
        ("torch", "detector", "lenscal.detector.train"),
        ("galsim", "mock", "lenscal.draw_sky(None)"),
        ("galsim", "mock", "lenscal.mock.is_current(None)"),
    ],
)
def test_an_absent_extra_is_named_in_one_sentence(library, extra, use):
    code = f"""{blocking(library)}
import lenscal, lenscal.mock
try:
    {use}
except ImportError as error:
    print(type(error).__name__, error)
"""
    assert re.fullmatch(
        rf"MissingExtra [^\n]+ needs {library}, which is not installed; install it with: pip "
        rf"install 'lenscal\[{extra}\]'",
        python(code),
    )


def test_a_command_without_its_extra_ends_with_that_sentence(tmp_path):
    runfile = tmp_path / "mock.yaml"
    runfile.write_text((ROOT / "tests" / "tiny.yaml").read_text())
    code = f"""{blocking("galsim")}
sys.argv = ["lenscal", "mock", {str(runfile)!r}]
from lenscal.cli import app
app()
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install 'lenscal[mock]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_preflight_says_before_a_run_that_pytorch_is_absent(tmp_path):
    (tmp_path / "tiny.yaml").write_text((ROOT / "tests" / "tiny.yaml").read_text())
    for blocked, said in ((blocking("torch"), True), ("import sys", False)):
        code = f"""{blocked}
sys.argv = ["lenscal", "preflight", "tiny.yaml"]
from lenscal.cli import app
app()
"""
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"COLUMNS": "400"},
        )
        assert done.returncode == 1, "the sky is not drawn either"
        assert ("pip install 'lenscal[detector]'" in done.stdout) == said, done.stdout + done.stderr


def test_an_extra_that_is_there_needs_no_fix_and_one_that_is_not_has_its_command(monkeypatch):
    from lenscal import extras

    assert extras.fix("torch") == ""
    monkeypatch.setitem(extras.EXTRA_OF, "no_such_library", "mock")
    assert extras.fix("no_such_library") == "pip install 'lenscal[mock]'"


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("Frozen", "load_detector")])
def test_everything_but_the_detector_is_there_without_torch_and_galsim(name, without):
    assert name in without


@pytest.fixture(scope="module")
def without():
    code = f"""{blocking("torch", "galsim", "lsdb", "photutils", "dask_cloudprovider")}
import lenscal
for name in {NAMES!r}:
    try:
        getattr(lenscal, name)
        print(name)
    except ImportError:
        pass
"""
    return python(code).split()


def test_other_import_errors_pass_as_they_are():
    from lenscal.extras import named

    with pytest.raises(ModuleNotFoundError, match="no_such_library"), named():
        import no_such_library  # noqa: F401
    with pytest.raises(ModuleNotFoundError, match=r"torch\.no_such_part") as caught, named():
        import torch.no_such_part  # noqa: F401
    assert "install it with" not in str(caught.value), "what is there and broken is not absent"


def test_types_hold():
    pytest.importorskip("mypy", reason="mypy is not installed: make install")
    done = subprocess.run([sys.executable, "-m", "mypy"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_module_of_public_functions_is_held_to_its_types():
    """A function that is new at the door cannot be untyped unseen: its module is checked, or was typed
    before and is named here.
    """
    import tomllib

    checked = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]["files"])
    modules = {f"lenscal/{module.replace('.', '/')}.py" for module, name in entries(str(STUB)).values() if name}
    before = {module for module in modules if not (ROOT / module).is_file()} | {
        "lenscal/cutouts.py",
        "lenscal/injections/rendering.py",
        "lenscal/injections/export.py",
        "lenscal/io/datasets.py",
        "lenscal/io/folders.py",
        "lenscal/detector/frozen.py",
        "lenscal/detector/architectures.py",
    }
    assert modules - before <= checked, modules - before - checked


def test_the_stub_is_plain_imports_and_one_list():
    kinds = {type(node).__name__ for node in ast.parse(STUB.read_text()).body}
    assert kinds == {"Expr", "ImportFrom", "AnnAssign", "Assign"}
    assert (ROOT / "lenscal" / "py.typed").is_file()
