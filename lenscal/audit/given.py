"""What a stage is given of a run: the settings and products that its address holds, and nothing else."""

from __future__ import annotations

from lenscal.audit.products import Given, Run
from lenscal.audit.stages import STAGES

ALWAYS = ("name", "seed", "timestamp", "survey")
"""Settings that every address holds: the first three are written into every product."""


def given(run: Run, name: str) -> Run:
    """The run as a stage sees it.

    A setting or product that the stage did not declare (`sections`, `reads`) is refused when it is asked for, because a
    change of it would leave the stage's product stale.
    """
    stage = STAGES[name]
    products = {path.name for one in (name, *stage.reads) for path in STAGES[one].products(run)}
    return Run(Given(run.settings, (*ALWAYS, "stores", *stage.sections), name), frozenset(products), name)


def held(run: Run, name: str) -> dict[str, object]:
    """The settings in the address of a stage, by name, without placements."""
    found = {}
    for setting in (*ALWAYS, *STAGES[name].sections):
        value: object = run.settings
        *sections, last = setting.split(".")
        for section in sections:
            value = getattr(value, section)
        if last in value.content():
            found[setting] = value.content()[last]
    return found
