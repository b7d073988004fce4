"""Which sweep files a survey has: by name, the newest of several versions, here or at an address."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from lenscal import schema
from lenscal.errors import LenscalError
from lenscal.io import checksums, folders, remote
from lenscal.io.regions import region_of
from lenscal.io.remote import is_remote

_SWEEP_NAME = re.compile(r"sweep-\d{3}[pm]\d{3}-\d{3}[pm]\d{3}\.fits(\.gz)?$")


_PLACE = schema.release("dr10", "south").sweeps


class SweepError(LenscalError, ValueError):
    """A catalogue file that cannot be used; the message names it."""


def sweep_files(root: str | Path, only: Sequence[str] = (), region: str | None = None) -> list[Path | str]:
    """Sweep files of a survey, by name (companions such as -pz and -lc are not among them). Of several versions
    side by side, the newest.

    Parameters
    ----------
    root : path or URL
        A folder, or an address that fsspec knows (https, s3), by one rule: files are sought in its `sweep` folders
        where it has some, there and in folders named by a version (10.1); links are followed.
    only : sequence of str
        Names without endings; all where none is given.
    region : {"south", "north", "both"}, optional
        Whose files alone are wanted; all by default. Of both, each region must have some, and two may have one name:
        see `label_of`.

    Raises
    ------
    SweepError
        When there is none, two of one name, or the newest version lacks files that another has; or one of `only` is
        not there.
    """
    if region == schema.BOTH:
        return _of_both(root, only)
    found = _remote_files(str(root), region) if is_remote(root) else _local_files(Path(root), region)
    found = _newest([path for path in found if _SWEEP_NAME.fullmatch(name_of(path))], root)
    files = sorted(found, key=lambda path: (name_of(path), str(path)))
    if not files:
        of, place = (f" of the {region}", f"{region}/sweep/<version>") if region else ("", _PLACE)
        found = "" if is_remote(root) else f": {folders.holds(Path(root))}"
        raise SweepError(
            f"no sweep file{of} below '{root}'{found}; expected {place}/sweep-<corner>-<corner>.fits: check "
            "survey.root of the run file"
        )
    for one, two in itertools.pairwise(files):
        if stem_of(one) == stem_of(two):
            raise SweepError(f"'{one}' and '{two}' have one name; leave one of them below survey.root ('{root}')")
    if missing := sorted(set(only) - {stem_of(path) for path in files}):
        raise SweepError(f"survey.sweeps names {missing[0]}, which is not below survey.root ('{root}'); correct one")
    return [path for path in files if not only or stem_of(path) in only]


def _of_both(root: str | Path, only: Sequence[str]) -> list[Path | str]:
    """Sweeps of the south and of the north, each in its folder."""
    files = []
    for region in schema.REGIONS:
        own = [path for path in sweep_files(root, (), region) if region_of(path) == region]
        if not own:
            raise SweepError(
                f"no sweep file of the {region} below '{root}', and the run reads both regions; expected "
                f"{region}/sweep/<version>/sweep-<corner>-<corner>.fits: give one region (survey.region), or copy them"
            )
        files += own
    if missing := sorted(set(only) - {stem_of(path) for path in files}):
        raise SweepError(f"survey.sweeps names {missing[0]}, which is not below survey.root ('{root}'); correct one")
    return [path for path in files if not only or stem_of(path) in only]


def label_of(path: str | Path, region: str | None = None) -> str:
    """What a run of a region (as `sweep_files` takes it) calls a sweep: its name, and its own region before that where
    the run reads both, since files of both may have one name.
    """
    return f"{region_of(path)}-{name_of(path)}" if region == schema.BOTH else name_of(path)


def box_of(path: str | Path) -> tuple[float, float, float, float]:
    """Sky of a sweep file by its name: ra and dec of its corners in degree, lowest first."""
    ra1, dec1, ra2, dec2 = (
        float(ra_or_dec.replace("p", "").replace("m", "-"))
        for corner in stem_of(path).split("-")[1:]
        for ra_or_dec in (corner[:3], corner[3:])
    )
    return ra1, ra2, dec1, dec2


def _version_of(path: str | Path) -> tuple[int, ...]:
    """Of a sweep by the name of its folder, as 10.1 in south/sweep/10.1; empty without one."""
    folder = str(path).rsplit("/", 2)[-2] if str(path).count("/") > 1 else ""
    return tuple(map(int, folder.split("."))) if re.fullmatch(r"\d+(\.\d+)+", folder) else ()


def _newest(files: Sequence[str | Path], root: str | Path) -> list[str | Path]:
    """Files of the newest version, which must have all that older ones have."""
    versions: dict[tuple[int, ...], set[str]] = {}
    for path in files:
        versions.setdefault(_version_of(path), set()).add(stem_of(path))
    newest = max(versions, default=())
    if len(versions) < 2 or () in versions:
        return list(files)
    for version in sorted(versions):
        if lacking := sorted(versions[version] - versions[newest]):
            new, old = (".".join(map(str, one)) for one in (newest, version))
            raise SweepError(
                f"below '{root}' version {new} of the sweeps lacks {len(lacking):,} files that {old} has, the first: "
                f"{lacking[0]}; copy them, or leave one of sweep/{new} and sweep/{old} below survey.root"
            )
    return [path for path in files if _version_of(path) == newest]


def not_here(root: str | Path, region: str | None = None) -> list[str]:
    """Sweep files that the survey's lists of checksums name and that are not there, by name: a part of the survey was
    copied, or a copy is not whole.
    """
    if region == schema.BOTH:
        return sorted({name for one in schema.REGIONS for name in not_here(root, one)})
    files = sweep_files(root, region=region)
    there = {stem_of(path) for path in files}
    return sorted(
        name for name in checksums.names(files, root) if _SWEEP_NAME.fullmatch(name) and stem_of(name) not in there
    )


def name_of(path: str | Path) -> str:
    """Name of a file without its folder."""
    return str(path).rsplit("/", 1)[-1]


def stem_of(path: str | Path) -> str:
    """Name of a sweep file without its endings."""
    return name_of(path).split(".fits")[0]


def _places(region: str | None) -> tuple[list[str], list[str]]:
    """Folders of a survey that may hold the sweeps of a region, and those of the other."""
    others = [f"{one}/sweep" for one in schema.REGIONS if region not in (None, one)]
    return [*(f"{one}/sweep" for one in schema.REGIONS if region in (None, one)), "sweep"], others


def _local_files(root: Path, region: str | None) -> list[Path]:
    def names(at: str) -> list[str]:
        return list(map(str, folders.matching(Path(at), "*")))

    return [Path(path) for path in _found(str(root), region, names)]


def _remote_files(root: str, region: str | None) -> list[str]:
    files, place = remote.filesystem(root)

    def names(at: str) -> list[str]:
        try:
            return [str(path) for path in remote.patiently(f"'{at}'", lambda: files.ls(at, detail=False))]
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return []

    return [files.unstrip_protocol(path) for path in _found(place.rstrip("/"), region, names)]


def _found(root: str, region: str | None, names: Callable[[str], list[str]]) -> list[str]:
    """Sweeps below a root, here or at an address: in its `sweep` folders, where some have sweeps, else in itself;
    there, or in folders that are named by a version. Links are followed.
    """

    def below(at: str) -> list[str]:
        held = [path.rstrip("/") for path in names(at)]
        inner = [path for folder in held if _version_of(f"{folder}/x") for path in names(folder)]
        return [path for path in (*held, *inner) if _SWEEP_NAME.fullmatch(name_of(path))]

    own, others = _places(region)
    found = [path for folder in own for path in below(f"{root}/{folder}")]
    return found or ([] if any(below(f"{root}/{folder}") for folder in others) else below(root))


def version(path: str | Path) -> str:
    """What tells one version of a file from another without reading it: size and time of change, or size and ETag;
    empty where nothing does.
    """
    if not is_remote(path):
        path = Path(path)
        return folders.versions(path.parent, [path.name])[path.name]
    files, place = remote.filesystem(str(path))
    found = folders.version(remote.patiently(f"'{path}'", lambda: files.info(place)))
    return "" if found.endswith(" None") else found
