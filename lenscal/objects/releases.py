"""Whether the rows of sweeps are of the release and region that a run reads."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from lenscal import config, schema
from lenscal.objects.columns import ObjectsError


def check_file(
    codes: Collection[int],
    columns: Collection[str],
    sweep_file: str,
    survey: config.Survey,
    region: str | None = None,
) -> None:
    """Refuse a sweep of another release or region.

    Parameters
    ----------
    codes : collection of int
        Each RELEASE of its rows; one that no release is known for is let pass, but in a run of both regions.
    columns : collection of str
        All of its columns, in upper case.
    sweep_file : str
        Its name, for messages.
    survey : config.Survey
    region : str, optional
        Whose file it is, in a run of both.

    Raises
    ------
    ObjectsError
        Naming the RELEASE and what the run reads.
    """
    both, region = survey.region == schema.BOTH, region or survey.region
    reads = schema.release(survey.layout, region or "south")
    for code in sorted(codes):
        own = schema.release_of_code(code)
        if own is None:
            if both:
                raise ObjectsError(
                    f"'{sweep_file}' holds rows of RELEASE {code}, which is neither of the south nor of the north of "
                    f"{reads.title}; take the survey's own file"
                )
            continue
        if own.name not in (reads.name, *reads.stands_for, *survey.also):
            raise ObjectsError(
                f"'{sweep_file}' holds rows of {own.title} (RELEASE {code}), and the run reads {reads.title}; set "
                f"survey.layout: {own.name}, or name it (survey.also: [{own.name}]) if the run is to mix releases"
            )
        if region is None:
            continue
        if code in own.codes and own.region != region:
            stated = f"it lies in the folder of the {region}" if both else f"survey.region is '{region}'"
            raise ObjectsError(
                f"'{sweep_file}' holds rows of {own.words} (RELEASE {code}), and {stated}; correct it, or survey.root"
            )
        if own.name == reads.name:
            _check_bands(columns, sweep_file, reads)


def _check_bands(columns: Collection[str], sweep_file: str, reads: schema.Release) -> None:
    """Refuse a sweep whose bands are not those of the region: where codes do not tell, columns do."""
    found = "".join(band for band in schema.OPTICAL if f"FLUX_{band.upper()}" in columns)
    if set(found) != set(reads.bands):
        raise ObjectsError(
            f"'{sweep_file}' has fluxes in {', '.join(found)}, and {reads.words} ({reads.telescopes}) has "
            f"{', '.join(reads.bands)}: it is of the other region; correct survey.region, or survey.root"
        )


def check_all(codes: Mapping[str, Collection[int]], survey: config.Survey) -> None:
    """Refuse sweeps of several releases, unless the run says so.

    Parameters
    ----------
    codes : mapping of str to collection of int
        Each RELEASE, by name of the sweep file.
    survey : config.Survey

    Raises
    ------
    ObjectsError
        Naming a file of each release.
    """
    first = {}
    for name in sorted(codes):
        for code in sorted(codes[name]):
            own = schema.release_of_code(code)
            if own is not None and own.name not in survey.also:
                first.setdefault(own.name, f"{own.title} in '{name}' (RELEASE {code})")
    if len(first) > 1:
        raise ObjectsError(
            f"the sweeps hold rows of several releases: {'; '.join(first.values())}; take those of one, or name the "
            f"others (survey.also) beside survey.layout '{survey.layout}'"
        )


def check_regions(codes: Mapping[str, Mapping[str, Collection[int]]]) -> None:
    """Refuse regions of a run of both whose rows have one RELEASE, with which two galaxies could have one key.

    Parameters
    ----------
    codes : mapping of str to mapping of str to collection of int
        Each RELEASE, by region and by name of the sweep file.

    Raises
    ------
    ObjectsError
        Naming it, and a file of each region.
    """
    held: dict[int, tuple[str, str]] = {}
    for region in sorted(codes):
        for name in sorted(codes[region]):
            for code in sorted(codes[region][name]):
                where, first = held.setdefault(code, (region, name))
                if where != region:
                    raise ObjectsError(
                        f"'{first}' and '{name}' hold rows of RELEASE {code}, one as the {where} and one as the "
                        f"{region}; expected a RELEASE of each region: take the survey's own files, or read one "
                        "region (survey.region)"
                    )
