"""Lens models of others, in COOLEST, as parameters of lenscal: read strictly, and as a prior of injections."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import yaml
from scipy.special import gammaln

from lenscal.errors import InputError
from lenscal.injections.coolest import ISOTHERMAL, linear_b
from lenscal.injections.prior_sets import QUANTITIES
from lenscal.kernels import light

MODELS_MIN = 10
_SLACK = 1e-6
_ANGLES = ("phi", "source_phi", "beta_angle")  # of a sample on one sky: uniform, as in every set
_RANGES = {
    "theta_E": (0.0, math.inf),
    "gamma": (1.0, 3.0),
    "q": (0.0, 1.0),
    "phi": (-90.0, 90.0),
    "gamma_ext": (0.0, 1.0),
    "phi_ext": (-90.0, 90.0),
    "I_eff": (0.0, math.inf),
    "theta_eff": (0.0, math.inf),
    "n": (0.5, 10.0),  # of a Sersic profile, as the standard has it
    "center_x": (-math.inf, math.inf),
    "center_y": (-math.inf, math.inf),
}
_SHAPE = ("q", "phi", "center_x", "center_y")
_PROFILES = {
    "SIE": ("theta_E", *_SHAPE),
    "PEMD": ("theta_E", "gamma", *_SHAPE),
    "ExternalShear": ("gamma_ext", "phi_ext"),
    "Sersic": ("I_eff", "theta_eff", "n", *_SHAPE),
}


def from_x(phi: float) -> float:
    """Radian in [0, pi), counter-clockwise from +x, of an axis at phi [degree] counter-clockwise from +y."""
    return math.radians(phi + 90) % math.pi


def from_coolest(document: Mapping[str, Any], where: str = "the document") -> dict[str, float]:
    """Parameters of one lens, as `lenscal.render` takes them, of a COOLEST document.

    One galaxy with mass, an SIE or a PEMD of slope 2, at most one external shear, and one galaxy with one Sersic
    profile as the source; the light of the lens is left out. `mag_<band>` is the unlensed magnitude in the band of the
    instrument where the document has a zero point.

    Parameters
    ----------
    document : mapping
        As JSON has it.
    where : str
        Name of it, for messages.

    Raises
    ------
    ValueError
        What is another lens, another convention or no number, with the key at which it stands.
    """
    if document.get("standard") != "COOLEST":
        raise InputError(f"{where}: 'standard' is {document.get('standard')!r}, expected 'COOLEST'")
    entities = _list(document, "lensing_entities", where)
    massive = [one for one in entities if one.get("type") == "Galaxy" and one.get("mass_model")]
    fields = [one for one in entities if one.get("type") == "MassField" and one.get("mass_model")]
    sources = [
        one for one in entities if one.get("type") == "Galaxy" and not one.get("mass_model") and one.get("light_model")
    ]
    if len(massive) != 1 or len(massive[0]["mass_model"]) != 1:
        planes = ", ".join(sorted({str(one.get("redshift")) for one in massive})) or "none"
        count = sum(len(one["mass_model"]) for one in massive)
        raise InputError(
            f"{where}: lensing_entities has {count} mass profiles of galaxies, at redshift {planes}; expected one lens "
            "in one plane"
        )
    if len(fields) > 1 or any(len(one["mass_model"]) != 1 for one in fields):
        raise InputError(f"{where}: lensing_entities has more than one mass field; expected one external shear or none")
    if len(sources) != 1 or len(sources[0]["light_model"]) != 1:
        count = sum(len(one["light_model"]) for one in sources)
        raise InputError(
            f"{where}: lensing_entities has {count} light profiles of sources; "
            "expected one Sersic profile of one source"
        )
    _behind(massive[0], sources[0], where)
    mass = _values(massive[0]["mass_model"][0], ("SIE", "PEMD"), f"{where}: mass of the lens")
    if abs(mass.get("gamma", ISOTHERMAL) - ISOTHERMAL) > _SLACK:
        raise InputError(f"{where}: mass of the lens: gamma is {mass['gamma']:g}; lenscal's lenses are isothermal (2)")
    shear = (
        _values(fields[0]["mass_model"][0], ("ExternalShear",), f"{where}: external shear")
        if fields
        else {"gamma_ext": 0.0, "phi_ext": 0.0}
    )
    light_ = _values(sources[0]["light_model"][0], ("Sersic",), f"{where}: light of the source")
    angle = from_x(shear["phi_ext"])
    found = {
        "theta_e": mass["theta_E"],
        "q": mass["q"],
        "phi": from_x(mass["phi"]),
        "gamma1": shear["gamma_ext"] * math.cos(2 * angle),
        "gamma2": shear["gamma_ext"] * math.sin(2 * angle),
        "lens_x": mass["center_x"],
        "lens_y": mass["center_y"],
        "n": light_["n"],
        "r_e": light_["theta_eff"] * (float(light.sersic_b(light_["n"])) / linear_b(light_["n"])) ** light_["n"],
        "source_q": light_["q"],
        "source_phi": from_x(light_["phi"]),
        "source_x": light_["center_x"],
        "source_y": light_["center_y"],
    }
    for name in ("theta_e", "r_e", "q", "source_q"):
        if not found[name] > 0:
            raise InputError(f"{where}: {name} is {found[name]:g}, expected more than 0")
    return found | _magnitude(document, light_)


def prior_of_models(models: pd.DataFrame, name: str, like: str, about: str) -> str:
    """A prior set, as YAML for `injections.prior_file`: each quantity as a sample of lens models has it.

    What models do not tell (colours, and the magnitude where no model has one in r) is that of another set. Quantities
    are drawn independently; how they hang together in the sample is kept by reweighting to the table itself
    (`SelectionFunction.reweight`).

    Parameters
    ----------
    models : DataFrame
        One row a lens, columns as `from_coolest` gives them.
    name, like, about : str
        Of the set; the set that it takes the rest from; where the sample is from.

    Raises
    ------
    ValueError
        Fewer than `MODELS_MIN` models.
    """
    if len(models) < MODELS_MIN:
        raise InputError(f"{len(models)} models tell no distribution; expected {MODELS_MIN} or more")
    offset = np.hypot(models["source_x"] - models["lens_x"], models["source_y"] - models["lens_y"])
    columns = {key: models[key] for key in QUANTITIES if key in models and key not in _ANGLES}
    columns["beta_fraction"] = offset / models["theta_e"]
    entry: dict[str, Any] = {"about": about, "like": like}
    for key, column in columns.items():
        values = np.unique(np.round(column.to_numpy(float), 9))
        if np.isfinite(values).all() and values.size >= MODELS_MIN:
            entry[key] = {"measure": "values", "values": values.tolist()}
    return yaml.safe_dump({name: entry}, sort_keys=False)


def _behind(lens: Mapping, source: Mapping, where: str) -> None:
    near, far = lens.get("redshift"), source.get("redshift")
    if isinstance(near, (int, float)) and isinstance(far, (int, float)) and not far > near:
        raise InputError(
            f"{where}: the source lies at redshift {far:g}, the lens at {near:g}; expected it behind the lens"
        )


def _magnitude(document: Mapping, profile: Mapping[str, float]) -> dict[str, float]:
    """Unlensed magnitude of the source, where the document says in which band and unit its intensities are."""
    zero = (document.get("observation") or {}).get("mag_zero_point")
    band = (document.get("instrument") or {}).get("band")
    if not isinstance(zero, (int, float)) or not band or not profile["I_eff"] > 0:
        return {}
    n, b = profile["n"], linear_b(profile["n"])
    unit = 2 * math.pi * n * profile["theta_eff"] ** 2 * math.exp(b - 2 * n * math.log(b) + gammaln(2 * n))
    return {f"mag_{band}": float(zero - 2.5 * math.log10(unit * profile["I_eff"]))}


def _list(document: Mapping, key: str, where: str) -> list[Mapping]:
    found = document.get(key)
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise InputError(f"{where}: '{key}' is {str(found)[:60]!r}, expected a list of entities")
    return found


def _values(profile: Mapping, types: Sequence[str], where: str) -> dict[str, float]:
    """Point estimates of a profile, each a number in its range."""
    model = str(profile.get("type"))
    if model not in types:
        raise InputError(f"{where}: the profile is {model}, expected {' or '.join(types)}")
    given, found = profile.get("parameters") or {}, {}
    for name in _PROFILES[model]:
        value = ((given.get(name) or {}).get("point_estimate") or {}).get("value")
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise InputError(f"{where}: {name} has the point estimate {value!r}, expected a number")
        low, high = _RANGES[name]
        if not low - _SLACK <= value <= high + _SLACK:
            hint = "; angles are degrees from +y" if name.startswith("phi") else ""
            raise InputError(f"{where}: {name} is {value:g}, expected {low:g} to {high:g}{hint}")
        found[name] = float(value)
    return found
