"""Every part of the audit serves by itself: the lines of docs/library.md run, and each is five lines."""

import re

import pytest
from places import ROOT

import lenscal

PAGE = (ROOT / "docs" / "library.md").read_text()
BLOCKS = re.findall(r"^## (.*?)\n.*?```python\n(.*?)```", PAGE.partition("```\n")[2], re.M | re.S)
FIRST = re.search(r"```python\n(.*?)```", PAGE, re.S).group(1)
OF_A_RUN = re.search(r"```python no-run\n(.*?)```", PAGE, re.S).group(1)


@pytest.mark.parametrize(("title", "block"), BLOCKS, ids=[title for title, _ in BLOCKS])
def test_each_block_of_the_page_runs_by_itself(title, block, capsys):
    exec(compile(FIRST + block, f"docs/library.md: {title}", "exec"), {})
    assert capsys.readouterr().out.strip(), "a block shows what it found"


def test_each_block_is_five_lines_and_every_part_has_one():
    assert all(len(block.splitlines()) <= 5 for _, block in [*BLOCKS, ("", FIRST), ("", OF_A_RUN)])
    assert len(BLOCKS) == 9
    used = set(re.findall(r"lc\.(\w+)", "".join(block for _, block in BLOCKS) + OF_A_RUN))
    asked = {
        "interval",
        "split_of",
        "near_any",
        "cross_match",
        "render",
        "inject_into",
        "stamp_quality",
        "compare_stamps",
        "SelectionFunction",
        "reweight",
        "open_run",
    }
    assert asked <= used <= set(dir(lenscal))


def test_names_in_the_prose_are_public():
    assert set(re.findall(r"`lc\.(\w+)", PAGE)) <= set(dir(lenscal))
