"""The outside catalogues and the sweeps of a run: there, readable, with what is asked of them."""

from __future__ import annotations

from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pandas as pd

from lenscal import schema
from lenscal.audit.foreseen.question import Question
from lenscal.audit.products import Run
from lenscal.config import ContaminantCatalogue, LensCatalogue, Settings, Survey
from lenscal.gates import Ledger

REMOTE_LOOKED_AT = 8  # headers of sweeps at an address, evenly spread: each is a request


def objects(run: Run) -> list[Question]:
    """Questions of the stage objects."""
    settings = run.settings
    columns = "correct its source, columns, units or grades in the run file"
    of_lenses: list[pd.DataFrame] = []
    found = [
        Question("sweeps", partial(_sweeps, run), _root_fix(settings))
        if run.survey.has_catalogue
        else Question("survey", lambda: "; ".join([settings.survey.root, *run.survey.check()]), _root_fix(settings))
    ]
    found += [Question(item.name, partial(_lenses, item, of_lenses), columns) for item in settings.objects.lenses]
    if settings.objects.lenses:
        found.append(Question("lenses", partial(_merged, of_lenses, settings), "raise objects.merge_radius_arcsec"))
    found += [Question(item.name, partial(_look_alikes, item), columns) for item in settings.objects.contaminants]
    if not run.survey.has_catalogue and settings.objects.galaxy_tables:
        found.append(Question("tables", partial(_tables, settings), "correct objects.galaxy_tables"))
    return found


def judgement(run: Run) -> list[Question]:
    """Questions of the stage judgement."""
    fix = "ask for a higher rate or enlarge the sample"
    return [Question("thresholds", partial(_rates, run), fix)]


def _root_fix(settings: Settings) -> str:
    return "draw it: lenscal mock RUNFILE" if settings.survey.mock else "correct survey.root"


def root(survey: Survey) -> None:
    """Refuse a survey that is not there.

    Raises
    ------
    StoreError
        No folder of its name.
    """
    from lenscal.io import remote, stores

    if not remote.is_remote(survey.root) and not Path(survey.root).is_dir():
        hint = (
            "draw the embedded sky with `lenscal mock RUNFILE`" if survey.mock else "check survey.root of the run file"
        )
        raise stores.StoreError(f"input '{survey.root}' is missing; {hint}")


def _sweeps(run: Run) -> str:
    """Every sweep at hand has a header that can be read, with all columns in their units, and as many bytes as it
    promises; its first row is of the release and region that the run reads.
    """
    from lenscal import objects as science
    from lenscal.audit import published
    from lenscal.io import remote, sweeps

    root(run.settings.survey)
    place = run.settings.survey.root
    survey = run.settings.survey
    files = sweeps.sweep_files(place, survey.sweeps, survey.region)
    columns = sweeps.sweep_columns(survey.bands)
    listed = len(published.listed(files, place, survey.region)) if run.settings.objects.checksums else 0
    some = files
    if remote.is_remote(place):
        some = [files[i] for i in np.unique(np.linspace(0, len(files) - 1, REMOTE_LOOKED_AT).astype(int))]
    codes: dict[str, dict[str, set[int]]] = {}
    for path in some:
        region = sweeps.region_of(path) if survey.region == schema.BOTH else None
        with sweeps.SweepFile(path, columns) as file:
            code, label = file.code, sweeps.label_of(path, survey.region)
            first = set() if code is None else {code}
            science.check_file(first, file.names, label, survey, region)
        codes.setdefault(region or "", {})[label] = first
    science.check_regions(codes)
    said = f"{len(files)} sweep files, {listed} with a published SHA-256 to be held against"
    return said + published.lacking(run)


def _read(item: LensCatalogue) -> tuple[pd.DataFrame, Ledger]:
    """A list of lenses, read once for as long as it stays as it is."""
    path = Path(item.source)
    status = path.stat() if path.is_file() else None
    return _read_once(item.model_dump_json(), (status.st_size, status.st_mtime_ns) if status else None)


@lru_cache(maxsize=8)
def _read_once(item: str, version: object) -> tuple[pd.DataFrame, Ledger]:
    from lenscal import objects as science
    from lenscal.io.tables import lenses as catalogues

    catalogue = LensCatalogue.model_validate_json(item)
    return science.lens_table(catalogues.read_lenses(catalogue), catalogue)


def _lenses(item: LensCatalogue, seen: list[pd.DataFrame]) -> str:
    table, ledger = _read(item)
    seen.append(table)
    return f"{ledger.rows_in:,} rows in {item.source}, {ledger.rows_out:,} with a position"


def _merged(tables: list[pd.DataFrame], settings: Settings) -> str:
    from lenscal import objects as science

    merged, _ = science.merge_lenses(
        tables, settings.objects.merge_radius_arcsec, settings.seed, settings.manifest.split_fractions
    )
    return f"{len(merged):,} lenses of {sum(map(len, tables)):,} rows"


def _rates(run: Run) -> str:
    """The lowest rate could be set with as many negatives as there can be at most: those of every lens, or the stamps
    that a threshold may rest on.
    """
    from lenscal.scores.rates import allowed

    settings = run.settings
    lowest = min(settings.completeness.false_positive_rates)
    most = (
        sum(len(_read(item)[0]) for item in settings.objects.lenses) * settings.manifest.negatives_per_positive
        if run.survey.has_catalogue
        else run.survey.negatives()
    )
    allowed(most, lowest)
    return f"a rate of {lowest:g} needs {int(np.ceil(1 / lowest)):,} negatives of {most:,} at most"


def _look_alikes(item: ContaminantCatalogue) -> str:
    from lenscal import objects as science
    from lenscal.io.tables import lenses as catalogues

    _, ledger = science.contaminant_table(catalogues.read_contaminants(item), item)
    return f"{ledger.rows_in:,} rows in {Path(item.source)}, {ledger.rows_out:,} with a position"


def _tables(settings: Settings) -> str:
    from lenscal.audit import outside

    table, _, _ = outside.stand_ins(settings)
    return f"{len(table):,} rows with a position in {len(settings.objects.galaxy_tables)} tables"
