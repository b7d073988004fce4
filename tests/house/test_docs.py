"""The documentation is true: the site builds without a warning, the tutorial runs line by line, and so does what the
how-to pages do to its run.
"""

import os
import re
import subprocess
import sys

import pytest
from places import ROOT

DOCS = ROOT / "docs"
FENCE = re.compile(r"^ *```(\w+)(?: title=\"(.+?)\")?\n(.*?)^ *```", re.M | re.S)
HOW_TO = sorted(path.stem for path in (DOCS / "how-to").glob("*.md"))


def blocks(page):
    """Language, title and text of each block of a page; indentation of lists taken away."""
    return [
        (language, title, re.sub(r"^    ", "", text, flags=re.M) if text.startswith("    ") else text)
        for language, title, text in FENCE.findall(page.read_text())
    ]


def work_through(page, folder):
    """Do what a page says, block by block, in a folder; what was printed."""
    said, names = [], {}
    script = folder / "page.py"
    for language, title, text in blocks(page):
        if title:
            (folder / title).write_text(text)
        elif language == "sh":
            said.append(shell(text, folder))
        elif language == "python":
            script.write_text(names.setdefault("before", "") + text)
            said.append(shell(f'"{sys.executable}" page.py', folder))
            names["before"] += text
    return said


def shell(text, folder):
    """Run lines of a shell; every one of them must do."""
    commands = f'set -e; lenscal() {{ "{sys.executable}" -m lenscal "$@"; }}\n{text}'
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "PYTHONWARNINGS": "ignore",
    }
    done = subprocess.run(
        ["bash", "-c", commands], cwd=folder, capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, f"{text}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory):
    """The tutorial, worked through: its folder, and what was printed."""
    folder = tmp_path_factory.mktemp("tutorial")
    return folder, work_through(DOCS / "tutorial.md", folder)


def test_the_tutorial_ends_with_a_cube_gates_and_a_run_that_knows_what_changed(tutorial):
    folder, said = tutorial
    assert (folder / "stores" / "tutorial" / "report" / "index.html").exists()
    assert "cell theta_e 1.5 arcsec, psf_fwhm 1.1 arcsec, depth 23.5 mag" in said[1]
    assert "pass" in said[3]
    assert re.search(r"judgement: to be done again, for .*false_positive_rates", said[-1].replace("\n", " "))
    assert re.search(r"injections +was complete", said[-1])


@pytest.mark.parametrize("page", HOW_TO)
def test_each_how_to_page_does_what_it_says_to_the_run_of_the_tutorial(tutorial, page):
    folder, _ = tutorial
    for said in work_through(DOCS / "how-to" / f"{page}.md", folder):
        assert said.strip()


def test_the_site_builds_without_a_warning_and_has_every_public_name(tmp_path):
    import lenscal

    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", tmp_path / "site"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    functions = (tmp_path / "site" / "api.html").read_text()
    assert all(f"lenscal.{name}" in functions for name in dir(lenscal) if not name.startswith("__"))
    commands = (tmp_path / "site" / "commands.html").read_text()
    assert all(f"lenscal {name}" in commands for name in ("mock", "run", "query", "closed-loop", "experiments"))
    assert not [
        page
        for page in (tmp_path / "site").glob("*.html")
        if re.search(r'(?:src|href)="https?://(?!squidfunk)', page.read_text())
    ]  # nothing is fetched from elsewhere
