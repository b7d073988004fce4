"""A finished run as a folder for others (an RO-Crate): tables, cube, report, licence, citation and checksums."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import xarray as xr

from lenscal import completeness, schema
from lenscal.audit import release_files, sky
from lenscal.audit import release_text as text
from lenscal.audit.checks import verify_numbers, verify_stores
from lenscal.audit.pipeline import plan_of
from lenscal.audit.products import Run
from lenscal.audit.stages import STAGES
from lenscal.engine import PlanError
from lenscal.errors import InputError
from lenscal.io import crate, described, folders, leftovers, stores
from lenscal.io.exported import sha256
from lenscal.io.netcdf import netcdf

SUMS, EXPOSURES = "checksums.sha256", "completeness_by_exposures.parquet"
LATER = (SUMS, crate.FILE)
"""Files that the checksums do not list: themselves, and the one that says what is there, which is written last."""


def release(
    run: Run, runfile: Path, out: Path, licence: str = text.DEFAULT, authors: Sequence[str] = ()
) -> dict[str, int]:
    """Write a finished run as a folder that others can use without lenscal.

    Parameters
    ----------
    run : Run
        Of a run whose report is finished.
    runfile : Path
        Its run file, which goes into the release as it is.
    out : Path
        Folder to write, new or empty, or a former release, which is replaced once the new one is whole.
    licence : str
        SPDX name of the licence of the release, one of `release_text.LICENCES`.
    authors : sequence of str
        Each ``Family, Given`` or ``Family, Given, ORCID``, or the name of a collaboration.

    Returns
    -------
    dict of str to int
        Bytes of each file, by its path in the folder. The same run gives the same bytes.

    Raises
    ------
    InputError
        The folder holds something else, the licence is unknown, an author cannot be read, a stage is not finished, or
        what is on disk is not what the run wrote.
    MissingExtra
        The libraries of the extra `release` are not installed.
    """
    _refuse(out)
    chosen, people = text.licence_of(licence), text.authors_of(authors, run.settings.name)
    digests = _finished(run)
    _verified(run)
    leftovers.tidy(out)
    with folders.in_place(out) as folder, folders.saying(out, "written"):
        folder.mkdir(parents=True)
        facts = text.Facts.of(run, digests, chosen, people)
        tables = _data(run, folder)
        _papers(run, runfile, folder, facts, tables)
        sums = {name: sha256(folder / name) for name in _files(folder)}
        stores.write_bytes(folder / SUMS, "".join(f"{sum_}  {name}\n" for name, sum_ in sums.items()).encode())
        parts = release_files.parts(folder, sums | {SUMS: sha256(folder / SUMS)})
        stores.write_bytes(folder / crate.FILE, crate.metadata(text.about(facts), parts))
    return {name: (out / name).stat().st_size for name in _files(out)}


def _refuse(out: Path) -> None:
    """Refuse a folder that holds something else than a release.

    Raises
    ------
    InputError
        It is a file, or holds files and no checksums of a release.
    """
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise InputError(f"release: '{out}' is a file or a link; name a folder")
    if not out.exists() or not any(out.iterdir()):
        return
    try:
        graph = json.loads((out / crate.FILE).read_text(encoding="utf-8"))["@graph"]
        former = any(one.get("@id") == "#software" and one.get("name") == "lenscal" for one in graph)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        former = False
    if not former:
        raise InputError(
            f"release: '{out}' is not empty and no release of lenscal ({folders.holds(out)}); name another folder"
        )
    more = [name for name in _files(out) if name not in _listed(out)]
    if more:
        raise InputError(
            f"release: '{out}' is a former release with files that are not of it, and would be lost: "
            f"{', '.join(more[:5])}{' ...' if len(more) > 5 else ''}; move them away, or name another folder"
        )


def _listed(out: Path) -> set[str]:
    """Files that the checksums of a release name; none without checksums."""
    if not (out / SUMS).is_file():
        return set()
    return {line.partition("  ")[2] for line in (out / SUMS).read_text(encoding="utf-8").splitlines()}


def _finished(run: Run) -> dict[str, str]:
    """Digest of every stage, all of which are finished."""
    plan, digests = plan_of(run), {}
    for name in STAGES:
        try:
            done = plan.done(name)
        except PlanError:  # what it reads is not finished
            done = None
        if not done:
            raise InputError(
                f"release: the stage {name} of '{run.settings.name}' is not complete; run `lenscal run RUNFILE` to "
                "its end first"
            )
        digests[name] = str(done["digest"])
    return digests


def _verified(run: Run) -> None:
    """Refuse a run whose stores or numbers are not what it wrote."""
    wrong = [name for name, good in verify_stores(run) if not good]
    wrong += [f"number {name}" for name, _, _, good in verify_numbers(run) if not good]
    if wrong:
        raise InputError(
            f"release: {len(wrong)} things of '{run.settings.name}' differ from what was written: "
            f"{', '.join(wrong[:5])}{' ...' if len(wrong) > 5 else ''}; see `lenscal verify RUNFILE`, run it "
            "again, and release then"
        )


def _data(run: Run, folder: Path) -> dict[str, tuple]:
    """Write cube and tables; the tables with their dictionaries, by stem."""
    from lenscal.selection import found_missed

    cube = run.store("completeness").load()
    for name in sorted(path.name for path in folders.matching(run.folder, "completeness*.zarr")):
        _copy(run.path(name), folder / name)
    if (folder / sky.STORE).exists():
        found = stores.open(folder / sky.STORE).load()
        for name, content in (sky.pictures(found) | {sky.REGION: sky.region(found)}).items():
            stores.write_bytes(folder / name, content)
    if (run.folder / EXPOSURES).exists():
        _copy(run.path(EXPOSURES), folder / EXPOSURES)
    stores.write_bytes(folder / "completeness.nc", netcdf(_bare(stores.open(folder / "completeness.zarr"))))
    trials = found_missed(
        run.store("injections").load(),
        run.store("scores", "injections").load(),
        run.store("thresholds").load(),
    )
    tables = {"completeness": completeness.lookup(cube), "found-missed": trials}
    cards = {
        "RUN": (run.settings.name, "name of the run"),
        "SEED": (str(run.settings.seed), "seed of every draw"),
        "DETHASH": (run.detector.hash, ""),
        "MOCK": (bool(run.settings.survey.mock), "made from an embedded sky"),
    }
    for name, (table, dictionary) in tables.items():
        stores.write_bytes(folder / f"{name}.fits", described.fits(table, dictionary, name.upper(), cards))
        stores.write_bytes(folder / f"{name}.parquet", described.parquet(table, dictionary))
    return tables


def _copy(source: Path, target: Path) -> None:
    """A store or a file as it is, from a folder or a bucket."""
    for name in sorted(folders.inventory(source)):
        one, other = (path / name if name else path for path in (source, target))
        with folders.saying(one, "read"):
            content = one.read_bytes()
        stores.write_bytes(other, content)


def _bare(cube: xr.Dataset) -> xr.Dataset:
    return schema.COMPLETENESS.describe(cube.load())


def _papers(run: Run, runfile: Path, folder: Path, facts: text.Facts, tables: dict) -> None:
    """Write what goes with the data: run file, versions, gates, report, dictionary, licence, citation, README."""
    cube = completeness.of_population(run.store("completeness").load())
    papers = {
        "run-file.yaml": runfile.read_bytes(),
        "gates.json": (run.folder / "gates.json").read_bytes(),
        "data-dictionary.csv": described.dictionary_csv(tables),
        "LICENSE": text.licence_file(facts),
        "CITATION.cff": text.citation(facts),
    }
    for name in ("index.html", "numbers.json"):
        papers[f"report/{name}"] = (run.path("report") / name).read_bytes()
    there = {name.partition("/")[0] if ".zarr/" in name else name for name in _files(folder)}
    there |= {*papers, "README.md", "versions.json", SUMS}
    papers["README.md"] = text.readme(facts, cube, tables, there)
    for name, content in papers.items():
        stores.write_bytes(folder / name, content)
    stores.write_json(folder / "versions.json", facts.versions)


def _files(folder: Path) -> list[str]:
    """All files of a folder but those of `LATER`, in order."""
    return sorted(name for name in folders.inventory(folder) if name not in LATER)
