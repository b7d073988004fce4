"""Which sweep files a survey has: by name, the newest of several versions, here or at an address."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from pathlib import Path

from lenscal.errors import LenscalError
from lenscal.io import checksums, folders, remote
from lenscal.io.remote import is_remote

_SWEEP_NAME = re.compile(r"sweep-\d{3}[pm]\d{3}-\d{3}[pm]\d{3}\.fits(\.gz)?$")


class SweepError(LenscalError, ValueError):
    """A catalogue file that cannot be used; the message names it."""


def sweep_files(root: str | Path) -> list[Path | str]:
    """Sweep files of a survey, by name (companions such as -pz and -lc are not among them). Of several versions
    side by side, the newest.

    Parameters
    ----------
    root : path or URL
        A folder, or an address that fsspec knows (https, s3); files are sought in its `sweep` folders where it has
        some.

    Raises
    ------
    SweepError
        When there is none, two of one name, or the newest version lacks files that another has.
    """
    found = _remote_files(str(root)) if is_remote(root) else _local_files(Path(root))
    found = _newest([path for path in found if _SWEEP_NAME.fullmatch(name_of(path))], root)
    files = sorted(found, key=lambda path: (name_of(path), str(path)))
    if not files:
        found = "" if is_remote(root) else f": {folders.holds(Path(root))}"
        raise SweepError(
            f"no sweep file below '{root}'{found}; expected south/sweep/10.1/sweep-<corner>-<corner>.fits: "
            "check survey.root of the run file"
        )
    for one, two in itertools.pairwise(files):
        if stem_of(one) == stem_of(two):
            raise SweepError(f"'{one}' and '{two}' have one name; leave one of them below survey.root ('{root}')")
    return files


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


def not_here(root: str | Path) -> list[str]:
    """Sweep files that the survey's lists of checksums name and that are not there, by name: a part of the survey was
    copied, or a copy is not whole.
    """
    files = sweep_files(root)
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


_PLACES = ("south/sweep", "north/sweep", "sweep")


def _local_files(root: Path) -> list[Path]:
    places = [root / place for place in _PLACES if (root / place).is_dir()]
    return [path for place in places or [root] for path in folders.matching(place, "**/sweep-*.fits*")]


def _remote_files(root: str) -> list[str]:
    files, place = remote.filesystem(root)

    def names(at: str) -> list[str]:
        try:
            return remote.patiently(f"'{at}'", lambda: files.ls(at, detail=False))
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return []

    def below(at: str) -> list[str]:
        """Sweeps of a folder, and of the folders of versions in it."""
        held = [str(path).rstrip("/") for path in names(at)]
        of_versions = [path for path in held if _version_of(f"{path}/x")]
        return [path for path in held if _SWEEP_NAME.fullmatch(name_of(path))] + [
            path for folder in of_versions for path in map(str, names(folder)) if _SWEEP_NAME.fullmatch(name_of(path))
        ]

    base = place.rstrip("/")
    found = [path for folder in _PLACES for path in below(f"{base}/{folder}")] or below(base)
    return [files.unstrip_protocol(path) for path in found]


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
