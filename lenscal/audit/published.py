"""Checksums of the sweep files, as the survey lists them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from lenscal import schema
from lenscal.audit.products import Run
from lenscal.engine import Outcome
from lenscal.gates import Gate, absent
from lenscal.io import checksums, sweeps

UNCHECKED = "unchecked"  # a sweep that was held against no checksum


def checksums_of(run: Run, known: Mapping[str, str], files: Sequence[Path | str] | None = None) -> dict[str, str]:
    """Of sweep files, by name: the published SHA-256 (what is known, else "unchecked", where no list names them or none
    is asked for), and the version of the file.
    """
    root, region = run.settings.survey.root, run.settings.survey.region
    if not known:
        return {}
    paths = {
        sweeps.label_of(path, region): path
        for path in (sweeps.sweep_files(root, run.settings.survey.sweeps, region) if files is None else files)
    }
    found = listed(paths.values(), root, region) if run.settings.objects.checksums else {}
    then = {
        name: version.split(" ")[0] or UNCHECKED for name, version in known.items()
    }  # what was held against its checksum stays so
    return {
        name: f"{found.get(name, digest)} {sweeps.version(paths[name]) if name in paths else 'absent'}"
        for name, digest in then.items()
    }


def listed(files: Iterable[Path | str], root: Path | str, region: str | None) -> dict[str, str]:
    """The SHA-256 that the survey published of sweeps of a run, by what the run calls them (`sweeps.label_of`)."""
    if region != schema.BOTH:
        return checksums.published(files, root)
    found = {}
    for one in schema.REGIONS:
        own = [path for path in files if sweeps.region_of(path) == one]
        entries = checksums.published(own, root) if own else {}
        found |= {
            sweeps.label_of(path, region): entries[sweeps.name_of(path)]
            for path in own
            if sweeps.name_of(path) in entries
        }
    return found


def verified(run: Run, path: Path | str, outcome: Outcome) -> Outcome | None:
    """An import whose file has other times or another published checksum now, held against it by reading it once; None
    when it is not the one that was imported.

    Raises
    ------
    SweepError
        The file is another than the survey published.
    """
    name = sweeps.label_of(path, run.settings.survey.region)
    held, before = outcome.sources[name].split(" ", 1)
    imported = (outcome.summary or {}).get("sha256") or (None if held == UNCHECKED else held)
    expected, version = checksums_of(run, outcome.sources, [path])[name].split(" ", 1)
    if imported is None and version != before:
        return None
    with sweeps.SweepFile(path, ("RA",), hashed=True) as file:
        if expected != UNCHECKED and run.settings.objects.checksums:
            file.check(expected)
        if imported not in (None, file.sha256()):
            return None
    return replace(outcome, sources={name: f"{expected} {version}"})


def checksum_gate(run: Run, files: int, bare: Sequence[str]) -> Gate:
    id_, claim = "objects.checksums", "every sweep file is the one that the survey published"
    if len(bare) == files:
        return absent(
            id_,
            claim,
            "no list of checksums beside the sweeps" if run.settings.objects.checksums else "objects.checksums is off",
        )
    return Gate(
        id_,
        claim,
        "files without a published SHA-256",
        len(bare),
        maximum=0,
        evidence=f"{files - len(bare)} of {files} files have theirs"
        + (f"; the first without: {bare[0]}" if bare else "")
        + lacking(run),
    )


def lacking(run: Run) -> str:
    """In words, what the survey lists and is not at hand; empty when all is, or the lists are not asked for."""
    survey = run.settings.survey
    names = sweeps.not_here(survey.root, survey.region) if run.settings.objects.checksums else []
    return f"; {len(names):,} listed and not here, the first: {names[0]}" if names else ""
