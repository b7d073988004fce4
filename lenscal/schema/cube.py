"""What is declared of the cube of completeness."""

from __future__ import annotations

from collections.abc import Iterable

from .declaration import Declaration, Variable
from .trials import AXES

CELL = ("theta_e", "psf_fwhm", "depth")

COMPLETENESS = Declaration(
    "completeness",
    "The completeness cube: counts, posterior, intervals. Counts are stored, ratios derived.",
    {
        **AXES,
        "population": Variable(
            ("population",), "str", "", "of hosts: what depends on it runs along it; one alone has no such dim", False
        ),
        "host_type": Variable(("host_type",), "str", "", "Tractor type of the hosts, where it is an axis", False),
        "host_colour_gr": Variable(
            ("host_colour_gr",), "f8", "mag", "dereddened g - r of the hosts, bin centre, where it is an axis", False
        ),
        "threshold": Variable(("threshold",), "f8", "1", "score at or above which a detection is claimed"),
        "quantile": Variable(("quantile",), "f8", "1", "of the posterior"),
        "level": Variable(("level",), "f8", "1", "of the interval"),
        "false_positive_rate": Variable(("threshold",), "f8", "1", "of validation negatives at the threshold"),
        "false_positive_rate_lower": Variable(("threshold", "level"), "f8", "1", "lower end of its interval", False),
        "false_positive_rate_upper": Variable(("threshold", "level"), "f8", "1", "upper end of its interval", False),
        "n_injected": Variable(CELL, "i8", "1", "trials with an image and a score"),
        "n_failed": Variable(CELL, "i8", "1", "trials without"),
        "n_hosts": Variable(CELL, "i8", "1", "distinct hosts"),
        "hosts_effective": Variable(
            CELL,
            "f8",
            "1",
            "as how many hosts they count, if each stood equally often in the population and had as many trials",
            False,
        ),
        "n_detected": Variable((*CELL, "threshold"), "i8", "1", "trials at or above the threshold"),
        "fraction_detected": Variable(
            (*CELL, "threshold"),
            "f8",
            "1",
            "share of the trials detected, each with the weight of its host in the population",
            False,
        ),
        "n_effective": Variable(
            (*CELL, "threshold"),
            "f8",
            "1",
            "independent trials, equal in weight, that tell as much: n_injected over the design effect",
        ),
        "design_effect": Variable(
            (*CELL, "threshold"),
            "f8",
            "1",
            "variance inflation by shared hosts (shrunk to 1 where not detected) and by unequal weights",
        ),
        "completeness": Variable(
            (*CELL, "threshold", "quantile"),
            "f8",
            "1",
            "posterior quantiles; NaN without data, all but the median with too few hosts",
        ),
        "lower": Variable(
            (*CELL, "threshold", "level"), "f8", "1", "lower end of the interval; NaN with too few hosts"
        ),
        "upper": Variable((*CELL, "threshold", "level"), "f8", "1", "upper end of the interval"),
        "systematic_lower": Variable(
            (*CELL, "threshold", "cause"), "f8", "1", "how much lower completeness may be for this cause", False
        ),
        "systematic_upper": Variable(
            (*CELL, "threshold", "cause"), "f8", "1", "how much higher completeness may be for this cause", False
        ),
        "cause": Variable(("cause",), "str", "", "of a systematic error", False),
        "total_lower": Variable(
            (*CELL, "threshold", "level"),
            "f8",
            "1",
            "lower end of the interval with every systematic error in it",
            False,
        ),
        "total_upper": Variable(
            (*CELL, "threshold", "level"),
            "f8",
            "1",
            "upper end of the interval with every systematic error in it",
            False,
        ),
        "sufficient": Variable(CELL, "bool", "1", "enough trials and enough distinct (and effective) hosts"),
        "status": Variable(CELL, "str", "", "sufficient, insufficient, or no data"),
        "area": Variable(("psf_fwhm", "depth"), "f8", "degree^2", "sky with those conditions in the footprint at hand"),
        "host_pool": Variable(("psf_fwhm", "depth"), "i8", "1", "eligible hosts with those conditions"),
        "host_injected": Variable(("theta_e", "host"), "i8", "1", "scored trials of the host", False),
        "host_detected": Variable(
            ("theta_e", "threshold", "host"), "i8", "1", "of them, at or above the threshold", False
        ),
        "host_weight": Variable(
            ("population", "host"),
            "f8",
            "1",
            "weight of a trial on the host: its density in the population over that it was drawn with",
            False,
        ),
        "host_id": Variable(("host",), "i8", "1", "galaxy_id of the host", False),
        "host_psf_fwhm": Variable(("host",), "f8", "arcsec", "PSFSIZE_R of the host's cell, bin centre", False),
        "host_depth": Variable(("host",), "f8", "mag(AB)", "PSFDEPTH_R of the host's cell, bin centre", False),
    },
    coords=(
        "theta_e",
        "psf_fwhm",
        "depth",
        "threshold",
        "quantile",
        "level",
        "false_positive_rate",
        "cause",
        "population",
        "host_type",
        "host_colour_gr",
        "host_id",
        "host_psf_fwhm",
        "host_depth",
    ),
    along=("population", "host_type", "host_colour_gr"),
)


def by_axes(names: Iterable[str]) -> Declaration:
    """The declaration of a cube with other axes than seeing and depth."""
    left_out = ("psf_fwhm", "depth", "area", "host_pool", "host_id", "host_psf_fwhm", "host_depth")
    names = tuple(names)

    def dims(variable: Variable) -> tuple[str, ...]:
        found = [names if dim == "psf_fwhm" else () if dim == "depth" else (dim,) for dim in variable.dims]
        return tuple(dim for part in found for dim in part)

    return Declaration(
        "completeness_by_axes",
        COMPLETENESS.about,
        {
            name: Variable(dims(one), one.dtype, one.units, one.about, one.required)
            for name, one in COMPLETENESS.variables.items()
            if name not in left_out and "host" not in one.dims and name not in ("host_type", "host_colour_gr")
        },
        coords=tuple(name for name in COMPLETENESS.coords if name not in left_out),
        along=COMPLETENESS.along,
    )
