"""The house is in order: layers hold, style holds, pages written from the schema are current, imports are quick."""

import subprocess
import sys
import time

import yaml
from places import ROOT

from lenscal import config, schema


def run(*command):
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_layers_hold():
    done = run(sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr


def test_style_holds():
    done = run(sys.executable, "-m", "ruff", "check", "lenscal", "tests", "benchmarks")
    assert done.returncode == 0, done.stdout[-4000:]


def test_code_is_laid_out_by_the_formatter():
    done = run(sys.executable, "-m", "ruff", "format", "--check", "lenscal", "tests", "benchmarks")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr


def test_pages_written_from_the_schema_are_current():
    assert (ROOT / "stores" / "README.md").read_text() == schema.readme(), "run python -m lenscal.schema"
    assert (ROOT / "docs" / "data.md").read_text() == schema.page(), "run python -m lenscal.schema"
    assert (ROOT / "docs" / "run-files.md").read_text() == config.page(), "run python -m lenscal.config"


def test_heavy_libraries_are_imported_where_they_are_used():
    heavy = "torch sklearn healpy galsim matplotlib photutils lenscat distributed"
    done = run(
        sys.executable,
        "-c",
        f"import sys, lenscal, lenscal.cli; print([m for m in '{heavy}'.split() if m in sys.modules])",
    )
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_the_help_of_a_command_needs_no_numbers():
    numeric = "numpy pandas xarray scipy zarr dask astropy numba"
    code = f"import sys, lenscal.cli; print([m for m in '{numeric}'.split() if m in sys.modules])"
    done = run(sys.executable, "-c", code)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_no_benchmark_has_the_name_of_an_installed_package():
    # Python puts the folder of a script before all others: a library that imports a package of that name would get the
    # benchmark.
    done = run(
        sys.executable,
        "-P",
        "-c",
        "import importlib.util, sys; print([name for name in sys.argv[1:] if importlib.util.find_spec(name)])",
        *(p.stem for p in (ROOT / "benchmarks").glob("*.py")),
    )
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_every_requirement_has_a_row():
    text = (ROOT / "docs" / "requirements.md").read_text()
    rows = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ") and "---" not in line][1:]
    assert len(rows) == len(set(rows)) > 150
    states = {
        line.rstrip(" |").split("|")[-1].strip().split(":")[0] for line in text.splitlines() if line.startswith("| ")
    } - {"state", "---"}
    assert states <= {"done", "partly", "not yet"}, states


def test_modules_and_tests_named_in_the_requirements_exist():
    text = (ROOT / "docs" / "requirements.md").read_text()
    for word in {w.strip("`,; ") for w in text.split() if w.startswith("`") and ("/" in w or ".py" in w)}:
        assert (ROOT / word).exists(), f"docs/requirements.md names {word}, which is not there"


def test_catalogue_is_plain_yaml_and_every_entry_says_what_it_holds():
    catalog = yaml.safe_load((ROOT / "catalogs.yaml").read_text())
    assert catalog["version"] == 2
    assert all(entry["metadata"]["description"] for entry in catalog["entries"].values())


def test_no_secret_or_unsafe_loader_in_the_code():
    for path in (ROOT / "lenscal").rglob("*.py"):
        text = path.read_text()
        for bad in ("pickle.load", "yaml.load(", "allow_pickle=True", "weights_only=False", "0.0.0.0"):
            assert bad not in text, f"{path.name}: {bad}"


def test_help_answers_quickly():
    started = time.perf_counter()
    done = run(sys.executable, "-m", "lenscal", "--help")
    assert done.returncode == 0
    assert "lenscal run FILE" in done.stdout
    print(f"lenscal --help: {time.perf_counter() - started:.2f} s")


def test_no_test_module_imports_another():
    import re

    for path in (ROOT / "tests").rglob("*.py"):
        found = re.findall(r"^\s*(?:from|import) (test_\w+)", path.read_text(), re.M)
        assert not found, f"{path.relative_to(ROOT)} imports {found}: what several build on belongs into tests/support"


def test_the_stages_are_named_alike_everywhere():
    from lenscal.audit.stages import STAGES
    from lenscal.cli import run

    assert f"Stages: {', '.join(STAGES)}." in " ".join(run.run.__doc__.split())
    nav = (ROOT / "mkdocs.yml").read_text()
    for stage in STAGES:
        assert (ROOT / "docs" / "stages" / f"{stage}.md").is_file()
        assert f"stages/{stage}.md" in nav
