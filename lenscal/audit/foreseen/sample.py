"""The sample and its pixels: what the run file asks of them can be had of this survey."""

from __future__ import annotations

from functools import partial

import numpy as np

from lenscal.audit.foreseen.catalogues import root
from lenscal.audit.foreseen.question import Question
from lenscal.audit.products import Run
from lenscal.io import stores

BRICKS_LOOKED_AT = 48  # of those with files, evenly spread, whose headers are read
STOPPED = "mend the files, or set cutouts.broken: count to keep such galaxies as failed rows"


def manifest(run: Run) -> list[Question]:
    """Questions of the stage manifest."""
    if not run.survey.has_catalogue:
        return [Question("hosts", partial(_hosts, run), "give PSF and depth of the stamps")]
    from lenscal.audit import scanning

    fix = "correct manifest.confuser_cuts or objects.margin_arcsec"
    return [Question("neighbours", lambda: scanning.rim(run.settings), fix)]


def _hosts(run: Run) -> str:
    """What hosts there are among stamps; a run without one has nothing to inject into."""
    from lenscal.io.survey.stamps.hosts import said

    run.survey.check()
    ledger = run.survey.ledger
    why = said(ledger)
    if ledger.rows_in and not ledger.rows_out:
        raise stores.StoreError(f"survey: none of {ledger.rows_in:,} stamps can carry an injection: {why}")
    return f"{ledger.rows_out:,} of {ledger.rows_in:,} stamps can carry an injection" + (f" ({why})" if why else "")


def cutouts(run: Run) -> list[Question]:
    """Questions of the stage cutouts."""
    settings = run.settings.survey
    fix = "draw it: lenscal mock RUNFILE" if settings.mock else "correct survey.root"
    if settings.service is not None:
        fix = "correct survey.service and survey.layer"

    def survey() -> str:
        root(settings)
        return "; ".join([settings.root, *run.survey.check()])

    found = [Question("survey", survey, fix)]
    if run.settings.cutouts.broken == "stop":
        look = "set cutouts.size, or mend the files"
        if hasattr(run.survey, "brick"):
            found.append(Question("planes", partial(_planes, run), look))
        elif hasattr(run.survey, "too_small"):
            found.append(Question("stamps", partial(_stamps, run), look))
    return found


def _planes(run: Run) -> str:
    """Headers of the planes of some bricks, of those that have all their files."""
    from lenscal.io.survey import PixelError
    from lenscal.io.survey.headers import hold

    names = run.survey.bricks()["brickname"].tolist()
    looked = 0
    for place in np.unique(np.linspace(0, len(names) - 1, BRICKS_LOOKED_AT).astype(int)) if names else []:
        try:
            brick = run.survey.brick(names[place])
            brick.require()
        except PixelError:  # a part of a survey is a survey; whether a galaxy needs this brick is not known yet
            continue
        try:
            hold(brick)
        except PixelError as error:
            raise stores.StoreError(f"survey: brick {names[place]}: {error} ({STOPPED})") from None
        looked += 1
    return f"headers of {looked} bricks are as expected"


def _stamps(run: Run) -> str:
    """Stamps that cover as many pixels as a cutout has."""
    size = run.settings.cutouts.size
    few, of, largest, first = run.survey.too_small(size)
    if few:
        raise stores.StoreError(
            f"survey: {few:,} of {of:,} stamps cover fewer pixels than cutouts.size {size}, the first is '{first}', "
            f"which covers {largest}: set cutouts.size to {largest} or less, or cutouts.broken: count to keep such "
            "galaxies as failed rows"
        )
    return f"all {of:,} stamps cover {size} px"


def quality(run: Run) -> list[Question]:
    """Questions of the stage quality."""
    from lenscal.quality import limits, measures

    settings = run.settings.quality

    def asked() -> str:
        measures.check(settings)
        limits.check_reasons(settings)
        return "rings and reasons are known"

    return [Question("quality", asked, "correct the section quality")]
