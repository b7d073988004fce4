"""Results that a run replaced, as a user lists and restores them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from lenscal.audit.pipeline import pipeline_of
from lenscal.config import Settings
from lenscal.engine import Plan, history
from lenscal.engine.addresses import differences
from lenscal.errors import InputError
from lenscal.io import locks


@dataclass(frozen=True)
class Generation:
    """What one run set aside.

    Attributes
    ----------
    number : int
        1 is the newest.
    when : str
        When it was set aside (UTC).
    results : tuple of history.Kept
    why : str
        What of the settings differs from those of now.
    """

    number: int
    when: str
    results: tuple[history.Kept, ...]
    why: str

    @property
    def stages(self) -> list[str]:
        return [one.stage for one in self.results]

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(one.size for one in self.results)


def generations(settings: Settings) -> list[Generation]:
    """What is kept of a run, newest first."""
    now, order = settings.model_dump(mode="json"), list(pipeline_of(settings).stages)
    grouped: dict[str, list[history.Kept]] = {}
    for one in history.kept(settings.stores):
        if one.whole:
            grouped.setdefault(one.when, []).append(one)
    return [
        Generation(
            number,
            when[:19].replace("T", " "),
            tuple(sorted(results, key=lambda one: order.index(one.stage))),
            ", ".join(sorted(differences(results[0].settings, now))) or "nothing",
        )
        for number, (when, results) in enumerate(grouped.items(), 1)
    ]


def bring_back(settings: Settings, number: int, out: Path) -> list[str]:
    """Put the results of one generation in their places and write the run file of then; names of the stages.

    Raises
    ------
    InputError
        There is no such number; or the place of the run file is taken.
    """
    found = {one.number: one for one in generations(settings)}
    if number not in found:
        there = ", ".join(map(str, found)) or "nothing is"
        raise InputError(f"there is no {number} among what is kept ({there}): see lenscal history")
    if out.exists():
        raise InputError(f"'{out}' is there already: name a file to be written")
    then = Settings.model_validate(found[number].results[0].settings)
    if then.stores != settings.stores:
        then = then.model_copy(update={"stores": settings.stores})  # the folder was moved since
    pipeline = pipeline_of(then)
    with locks.alone(pipeline.folder / ".plan"):
        aside = history.History(pipeline.folder, then.model_dump_json(), max(pipeline.keep, 1))
        plan = Plan(pipeline)
        for one in found[number].results:
            aside.bring_back(plan.progress(one.stage))
            plan.forget(one.stage)
    out.write_text(yaml.safe_dump(then.model_dump(mode="json", exclude_none=True), sort_keys=False))
    return found[number].stages
