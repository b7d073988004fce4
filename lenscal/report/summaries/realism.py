"""Tables of realism."""

from __future__ import annotations

import pandas as pd

from lenscal.report.inputs import Inputs

from .summary import range, summary


def _realism(inputs: Inputs, name: str, columns: list[str] | None = None) -> pd.DataFrame | None:
    """A table of the stage realism, None where the run has none."""
    if inputs.realism is None:
        return None
    return inputs.realism[name] if columns is None else inputs.realism[name][columns]


@summary("realism/criteria", "Realism: the criteria")
def realism_criteria(inputs: Inputs) -> pd.DataFrame | None:
    found = _realism(inputs, "criteria")
    if found is None:
        return None
    table = found.copy()
    table["limits"] = [range(a, b, "≥ ", "≤ ") for a, b in zip(table["minimum"], table["maximum"])]
    table["interval"] = [range(a, b, "", "to ") for a, b in zip(table["lower"], table["upper"])]
    return table[["verdict", "id", "claim", "measure", "value", "limits", "interval", "requirement", "why"]]


@summary("realism/quantiles", "Arcs, real and injected: signal-to-noise ratio and colour")
def realism_quantiles(inputs: Inputs) -> pd.DataFrame | None:
    return _realism(inputs, "quantiles")


@summary("realism/recovery", "Recovery of real lenses and of the injections matched to them")
def realism_recovery(inputs: Inputs) -> pd.DataFrame | None:
    return None if inputs.realism is None or "recovery" not in inputs.realism else inputs.realism["recovery"]


@summary("realism/noise", "Fine noise around the arcs")
def realism_noise(inputs: Inputs) -> pd.DataFrame | None:
    return _realism(inputs, "noise")


@summary("realism/structure", "Structure of visible arcs")
def realism_structure(inputs: Inputs) -> pd.DataFrame | None:
    return _realism(inputs, "structure")


@summary("realism/probe", "What the probe tells apart")
def realism_probe(inputs: Inputs) -> pd.DataFrame | None:
    return _realism(inputs, "probe")


@summary("realism/sensitivity", "Completeness of the same injections with one thing changed")
def realism_sensitivity(inputs: Inputs) -> pd.DataFrame | None:
    return _realism(inputs, "sensitivity")


@summary("realism/inner", "How visible inner images are")
def realism_inner(inputs: Inputs) -> pd.DataFrame | None:
    return _realism(inputs, "inner")


@summary("realism/panel", "Key to the blind panel")
def realism_key(inputs: Inputs) -> pd.DataFrame | None:
    return _realism(inputs, "panel", ["number", "kind", "galaxy_id", "theta_e", "psf_fwhm", "depth"])


@summary("realism/measures", "Every image measured")
def realism_measures(inputs: Inputs) -> pd.DataFrame | None:
    return _realism(inputs, "measures")
