"""Two finished runs with other trials of one detector: the cube of both, as one run of all trials would have it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import completeness, config, schema
from lenscal.audit.pipeline import plan_of
from lenscal.audit.products import Run
from lenscal.engine import PlanError
from lenscal.errors import InputError
from lenscal.io import folders, leftovers, stores

NOTE = "added.json"
_HOSTS, _CHANGES, _TRIALS = "hosts.parquet", "sensitivity.parquet", "found-missed.parquet"
_VERDICTS = ("NO-GO", "not judged", "GO")
_SAME = {
    "detector_hash": "another detector",
    "layer": "another survey",
    "mock": "another survey",
    "prior": "another prior of the sources",
    "area_total": "another footprint",
    "binomial_prior": "another completeness.prior",
    "interval": "another completeness.interval",
    "trials_min": "another completeness.trials_min",
    "hosts_min": "another completeness.hosts_min",
    "hosts_effective_min": "another completeness.hosts_effective_min",
}
"""Attributes of the cube that both have to share, and what another value of each is."""


@dataclass(frozen=True)
class Summand:
    """What is added: a run, or a sum of some.

    `parts` are the runs in it, `trials` their trials as from `found_missed`, `hosts` and `changes` what the systematic
    errors are made of.
    """

    name: str
    parts: Sequence[dict]
    cube: xr.Dataset
    trials: pd.DataFrame
    hosts: pd.DataFrame
    changes: pd.DataFrame
    settings: config.Completeness

    @property
    def next_trial(self) -> int:
        """Number after the last trial of any cell."""
        return int((self.trials["injection_id"].to_numpy(np.int64) & ((1 << 20) - 1)).max()) + 1

    @classmethod
    def of_run(cls, run: Run) -> Summand:
        """A finished run.

        Raises
        ------
        InputError
            Its completeness is not finished.
        """
        from lenscal.selection import found_missed

        try:
            done = plan_of(run).done("completeness")
        except PlanError:  # what it reads is not finished
            done = None
        if not done:
            raise InputError(
                f"add: the completeness of '{run.settings.name}' is not finished; run `lenscal run` with its run file"
            )
        trials, _ = found_missed(
            run.store("injections").load(),
            run.store("scores", "injections").load(),
            run.store("thresholds").load(),
        )
        name = str(run.folder)
        part = {
            "run": run.settings.name,
            "stores": Path(name).name,
            "digest": str(done["digest"]),
            "trials": len(trials),
            "seed": run.settings.seed,
        }
        hosts, changes = run.table("hosts.parquet"), run.table("realism/sensitivity.parquet")
        cube = run.store("completeness").load()
        return cls(name, [part], cube, trials, hosts, changes, run.settings.completeness)

    @classmethod
    def of_sum(cls, folder: Path) -> Summand:
        """What `add` wrote.

        Raises
        ------
        InputError
            The folder is none of `add`.
        """
        import json

        if not (folder / NOTE).is_file():
            raise InputError(f"add: '{folder}' is no run file and no folder that `lenscal add` wrote; give either")
        note = json.loads((folder / NOTE).read_text(encoding="utf-8"))
        tables = (stores.read_table(folder / name) for name in (_TRIALS, _HOSTS, _CHANGES))
        cube = stores.open(folder / "completeness.zarr").load()
        return cls(str(folder), note["parts"], cube, *tables, config.Completeness(**note["completeness"]))


def add(first: Summand, second: Summand, out: Path) -> xr.Dataset:
    """Write the cube of both: counts added host by host, posterior and errors made again.

    Parameters
    ----------
    first, second : Summand
    out : Path
        Folder, new, empty or of a former sum: completeness.zarr, found-missed.parquet (every trial), and what a further
        sum needs.

    Returns
    -------
    Dataset
        As `schema.COMPLETENESS`. Statistical numbers are those of one run of all trials; each systematic error is the
        farther one of both runs.

    Raises
    ------
    InputError
        The detector, its thresholds, the axes, the survey or the settings of completeness differ, a trial is in both,
        or the folder holds something else.
    """
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / NOTE).is_file())):
        raise InputError(f"add: '{out}' holds something else than a sum; name another folder")
    check(first, second)
    first, second = sorted(
        (first, second), key=lambda one: min(part["digest"] for part in one.parts)
    )  # either way alike
    hosts = pd.concat([first.hosts, second.hosts], ignore_index=True).drop_duplicates("galaxy_id", ignore_index=True)
    both = Summand(
        str(out),
        sorted([*first.parts, *second.parts], key=lambda part: (part["stores"], part["digest"])),
        _cube(first, second, hosts),
        joined(first, second),
        hosts.sort_values("galaxy_id", ignore_index=True),
        _changes(first, second),
        first.settings,
    )
    leftovers.tidy(out)
    with folders.in_place(out) as folder:
        for name, table in ((_TRIALS, both.trials), (_HOSTS, both.hosts), (_CHANGES, both.changes)):
            stores.write_table(folder / name, table)
        stores.write(folder / "completeness.zarr", schema.COMPLETENESS, both.cube, {})
        stores.write_json(folder / NOTE, {"parts": both.parts, "completeness": both.settings.model_dump(mode="json")})
    return both.cube


def joined(first: Summand, second: Summand) -> pd.DataFrame:
    """Trials of both, by id, with the densities that they were drawn with together: shares of cells, and of proposals
    accepted, are those of all trials.
    """
    from lenscal.selection import densities

    table = pd.concat([first.trials, second.trials], ignore_index=True)
    table = table.sort_values("injection_id", ignore_index=True)
    columns, step = list(table), float(np.diff(completeness.edges_of(first.cube, "theta_e"))[0])
    source = table["log_density_parameters"] - np.log(step)  # as the run stored it
    own = [name for name in (*densities.PARTS, densities.TOTAL) if name != "log_density_host"]
    bare = table.drop(columns=own).assign(log_density_source=source)
    return densities.with_densities(bare, step, str(first.cube.attrs["prior"]))[columns]


def check(first: Summand, second: Summand) -> None:
    """Refuse two that do not add.

    Raises
    ------
    InputError
        Naming what differs, and what to do.
    """
    one, two = first.cube, second.cube
    for name, what in _SAME.items():
        if one.attrs.get(name) != two.attrs.get(name):
            raise InputError(
                f"add: the second has {what} ({name} {_short(one.attrs.get(name))} and {_short(two.attrs.get(name))}); "
                "counts of two such do not add"
            )
    for dim in schema.CELL:
        edges = [completeness.edges_of(cube, dim) for cube in (one, two)]
        if not np.array_equal(*edges):
            raise InputError(
                f"add: the cubes have other axes: {dim} has the edges {edges[0].tolist()} and {edges[1].tolist()}; "
                "give both runs one injections.grid"
            )
    if not np.array_equal(one["threshold"], two["threshold"]):
        said = [", ".join(f"{value:.6g}" for value in cube["threshold"].values) for cube in (one, two)]
        raise InputError(
            f"add: the thresholds differ ({said[0]} and {said[1]}): each run sets its own on its own validation "
            "negatives, and a trial found at one may be missed at the other. Run the second with the seed, sample, "
            "detector and rates of the first, so that injections.first_trial alone differs; or join both tables "
            "found-missed of `lenscal release` and count them at one threshold"
        )
    twice = np.intersect1d(first.trials["injection_id"], second.trials["injection_id"])
    if twice.size:
        raise InputError(
            f"add: {twice.size:,} trials are in both (injection_id {twice[0]}, ...), and would count twice; give the "
            f"second run injections.first_trial: {first.next_trial}, so that it goes on where the first ended"
        )


def _short(value: object) -> str:
    return str(value)[:12] if isinstance(value, str) else str(value)


def _changes(first: Summand, second: Summand) -> pd.DataFrame:
    table = pd.concat([first.changes, second.changes], ignore_index=True)
    return table.sort_values([name for name in ("kind", "name") if name in table], kind="stable", ignore_index=True)


def _cube(first: Summand, second: Summand, hosts: pd.DataFrame) -> xr.Dataset:
    counts = completeness.add(first.cube, second.cube)
    shifts = completeness.brackets(counts, hosts, _changes(first, second), first.settings)
    cube = completeness.budget(completeness.posteriors(counts, first.settings), shifts)
    cube = cube.assign({name: first.cube[name] for name in ("area", "host_pool")})
    told = {str(summand.cube.attrs.get("recovery_verdict", "not judged")) for summand in (first, second)}
    recovery = dict.fromkeys(str(summand.cube.attrs.get("recovery", "")) for summand in (first, second))
    names = sorted({part["run"] for summand in (first, second) for part in summand.parts})
    attrs = {name: value for name, value in first.cube.attrs.items() if name not in ("schema", "schema_version")}
    return cube.assign_attrs(
        {
            **cube.attrs,
            **attrs,
            "run": " + ".join(names),
            "recovery_verdict": next(word for word in _VERDICTS if word in told),
            "recovery": "; ".join(filter(None, recovery)),
        }
    )
