"""Named sets of priors: read from `priors.yaml`, resolved and checked."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Mapping
from importlib import resources

import yaml

from lenscal.errors import LenscalError

QUANTITIES = (
    "q",
    "phi",
    "gamma1",
    "gamma2",
    "lens_x",
    "lens_y",
    "beta_fraction",
    "beta_angle",
    "n",
    "r_e",
    "source_q",
    "source_phi",
    "mag_r",
    "colour_gr",
    "colour_rz",
)

NOT_QUANTITIES = "about", "like", "calibration"

_KEYS = {
    "uniform": {"low", "high"},
    "counts": {"low", "high", "slope"},
    "log": {"low", "high"},
    "normal": {"mean", "deviation"},
    "disc": {"low", "high"},
    "angle": {"period"},
    "values": {"values"},
}


class PriorError(LenscalError, ValueError):
    """A prior set that cannot be used, or that cannot meet the range of the magnification."""


@functools.cache
def prior_sets(extra: str = "") -> dict[str, dict]:
    """All named sets of priors.yaml, and those of a YAML text in its format, `like` resolved.

    Raises
    ------
    PriorError
        A quantity that is missing or unknown, a measure with other keys than its own, `like` of no set, or a set of
        `extra` that has the name of one of priors.yaml.
    """
    raw = yaml.safe_load(resources.files("lenscal.injections").joinpath("priors.yaml").read_text())
    more = _further(extra)
    if taken := sorted(set(raw) & set(more)):
        raise PriorError(
            f"prior set '{taken[0]}' of injections.prior_file has the name of one that is shipped "
            "and frozen; take another name"
        )
    raw |= more
    return {name: _checked(name, _resolved(name, raw)) for name in raw}


def _further(text: str) -> dict[str, dict]:
    """Sets of a YAML text, each a mapping."""
    try:
        more = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise PriorError(
            f"injections.prior_file is no YAML ({' '.join(str(error).split())[:200]}); expected sets of priors as "
            "`lenscal calibrate-prior` writes them"
        ) from None
    if not isinstance(more, dict) or not all(isinstance(entry, dict) for entry in more.values()):
        raise PriorError(
            f"injections.prior_file holds {str(more)[:80]!r}; expected sets of priors, each a name with its "
            "quantities below it, as `lenscal calibrate-prior` writes them"
        )
    return more


def _resolved(name: str, raw: Mapping[str, Mapping], depth: int = 0) -> dict:
    entry = raw[name]
    like = entry.get("like")
    if like is None:
        return dict(entry)
    if like not in raw or depth > len(raw):
        raise PriorError(
            f"prior set '{name}' is like '{like}', which {'is no set' if like not in raw else 'leads back to itself'}"
        )
    return {**_resolved(like, raw, depth + 1), **entry}


def _checked(name: str, entry: dict) -> dict:
    quantities = {key: value for key, value in entry.items() if key not in NOT_QUANTITIES}
    if set(quantities) != set(QUANTITIES):
        raise PriorError(
            f"prior set '{name}' differs from the quantities of a source in {sorted(set(quantities) ^ set(QUANTITIES))}"
        )
    for key, value in quantities.items():
        measure = value.get("measure") if isinstance(value, dict) else None
        if measure not in _KEYS or set(value) - {"measure"} != _KEYS[measure]:
            raise PriorError(
                f"prior set '{name}': '{key}' is {value}; a measure is one of "
                f"{ ({m: sorted(k) for m, k in _KEYS.items()}) }"
            )
        if measure == "values" and not _growing(value["values"]):
            raise PriorError(
                f"prior set '{name}': the values of '{key}' are no list of two or more finite numbers, each larger "
                "than the one before"
            )
    return quantities


def _growing(values: object) -> bool:
    """Whether these are numbers between which a density is finite."""
    if not isinstance(values, list) or len(values) < 2 or not all(type(one) in (int, float) for one in values):
        return False
    return all(math.isfinite(one) for one in values) and all(a < b for a, b in itertools.pairwise(values))


def named(name: str, extra: str = "") -> dict:
    """The quantities of one set; `extra` as in `prior_sets`.

    Raises
    ------
    PriorError
        When there is none of that name.
    """
    known = prior_sets(extra)
    if name not in known:
        raise PriorError(f"injections.prior is '{name}', which priors.yaml does not hold; it has {', '.join(known)}")
    return known[name]
