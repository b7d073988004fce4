"""`lenscal calibrate-prior`: the brightness of sources that gives arcs the SNR of the anchors,
once, as a frozen prior set.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lenscal.cli.refusal import refusals
from lenscal.errors import InputError

if TYPE_CHECKING:
    from lenscal.injections.calibration import Calibration


def calibrate_prior(
    runfile: Annotated[Path, typer.Argument(help="Run file: theta_e, magnification, kind of source, seed.")],
    output: Annotated[Path, typer.Argument(help="YAML to write, for injections.prior_file; must not exist.")],
    name: Annotated[str, typer.Option(help="Of the new prior set.")] = "calibrated",
    prior: Annotated[str, typer.Option(help="Prior set to start from; the run file's by default.")] = "",
    conditions: Annotated[
        str,
        typer.Option(
            help="'anchors': those of the run's own anchors; 'survey': of DR10 where luminous red galaxies are dense."
        ),
    ] = "anchors",
    measure: Annotated[
        str, typer.Option(help="annulus_snr (mean of a pixel) or arc_snr (integrated).")
    ] = "annulus_snr",
    target: Annotated[str, typer.Option(help="SNR by quantile.")] = "0.9:5,0.99:10",
    count: Annotated[int, typer.Option(help="Arcs to draw.", min=100)] = 2000,
) -> None:
    """Choose and freeze the slope of the source counts in r with which arcs have the target's SNR at its conditions."""
    with refusals():
        from lenscal.audit.products import Run
        from lenscal.config import load
        from lenscal.injections import calibration

        if output.exists():
            raise InputError(f"'{output}' exists; a frozen prior is not written over: take another name")
        kind: Literal["anchors", "survey"] = _one_of(conditions)
        settings = load(runfile)
        place = Run(settings)
        if kind == "survey":
            table, origin = (
                calibration.survey_conditions(),
                "DR10 where luminous red galaxies are dense (201 square degrees), r band",
            )
        else:
            manifest = place.manifest
            anchors = (manifest["role"] == "anchor") & manifest["tier"].isin(
                settings.realism.anchor_tiers
            )  # those that realism compares with
            table = manifest.loc[anchors, ["psfsize_r", "psfdepth_r"]].astype(float)
            origin = f"anchors of the run '{settings.name}'{' (mock sky)' if settings.survey.mock else ''}"
        start = settings.injections.model_copy(update={"prior": prior or settings.injections.prior})
        found = calibration.calibrate(
            name,
            table,
            start,
            settings.seed,
            target=_target(target),
            measure=measure,
            count=count,
            origin=origin,
            sources=place.sources,
        )
        output.write_text(found.text)
        _tell(name, found, measure, origin)
        typer.echo(f"  written to {output}; use it with injections: {{prior_file: {output}, prior: {name}}}")


def _tell(name: str, found: Calibration, measure: str, origin: str) -> None:
    entry = found.entry
    typer.echo(
        f"prior '{name}': mag_r from {entry['mag_r']['low']:g} to {entry['mag_r']['high']:g}, counts ~ "
        f"10^({entry['mag_r']['slope']:g} m)"
    )
    typer.echo(
        f"  {measure} by quantile: {', '.join(f'{q:g}: {snr:.2f}' for q, snr in found.reached.items())} "
        f"at the conditions of {origin}"
    )
    typer.echo(f"  {100 * entry['calibration']['accepted']:.1f} % of proposals met the range of the magnification")


def _one_of(conditions: str) -> Literal["anchors", "survey"]:
    if conditions not in ("anchors", "survey"):
        raise InputError(f"--conditions is '{conditions}', not 'anchors' or 'survey'")
    return conditions  # type: ignore[return-value]


def _target(text: str) -> dict[float, float]:
    try:
        out = {float(level): float(snr) for level, snr in (pair.split(":") for pair in text.split(","))}
    except ValueError:
        raise InputError(f"--target is '{text}', not 'quantile:snr,...' such as 0.9:5,0.99:10") from None
    if not all(0 < level < 1 and snr > 0 for level, snr in out.items()):
        raise InputError(f"--target is '{text}'; quantiles lie between 0 and 1, SNR above 0")
    return out
