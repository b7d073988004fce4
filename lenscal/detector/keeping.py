"""What a run keeps of its detector, how it is opened again, and which files it came from."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lenscal.detector import declaration as declaring
from lenscal.detector import score_table
from lenscal.detector.bringing import JSON, again, declaration_file, kind_of
from lenscal.detector.brought import FORMAT, Brought, description
from lenscal.detector.declaration import Declaration
from lenscal.detector.protocol import Detector
from lenscal.errors import InputError


def written(detector: Detector, artifact: str, keep: Callable[[str, bytes], None]) -> None:
    """Keep a brought detector: `detector.json`, and copies of the files that it was read from.

    Parameters
    ----------
    detector : Brought or ScoreTable
    artifact : str
        What it was brought from.
    keep : callable
        Writes a file, by name and content.
    """
    from lenscal.detector import frozen

    if isinstance(detector, frozen.Frozen):
        for name, content in frozen.dump(detector).items():
            keep(name, content)
        return
    if isinstance(detector, score_table.ScoreTable):
        about, files = score_table.description(detector, artifact), {Path(artifact).name: Path(artifact)}
    else:
        assert isinstance(detector, Brought)
        about, files = description(detector), {path.name: path for path in detector.files}
    about["declared"] = detector.declaration.model_dump(mode="json", exclude_unset=True)
    about["files"] = sorted(files)
    for name, path in files.items():
        keep(name, path.read_bytes())
    keep(JSON, (json.dumps(about, sort_keys=True, indent=1, allow_nan=False) + "\n").encode())


def reopened(folder: Path) -> Detector:
    """The detector that a folder keeps, of lenscal's own or brought.

    Raises
    ------
    InputError
        It is not the one that was kept.
    """
    try:
        about = json.loads((folder / JSON).read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"detector: '{folder / JSON}' describes no detector ({error})") from None
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        from lenscal.detector import frozen

        return frozen.load({name: (folder / name).read_bytes() for name in frozen.FILES if (folder / name).exists()})
    values = {**about["declared"]}
    copies = {name: folder / name for name in about["files"]}
    values["files"] = [str(copies.get(Path(name).name, name)) for name in values.get("files", [])]
    values.pop("reference", None)
    declaration = Declaration.model_validate(values)
    own = copies.get(Path(about["source"]).name)
    if declaration.kind == "scores":
        found = score_table.read(own or Path(about["source"]), declaration)
        if found.hash != about["hash"]:
            raise InputError(
                f"detector: the table of scores in '{folder}' is not the one that was kept; "
                "run the stage detector again"
            )
        return found
    return again(str(own or about["source"]), declaration, about["hash"])


def _files_of(folder: Path) -> list[str]:
    """Files of the detector that a folder keeps, `detector.json` last; what is wrong with them is
    said when they are loaded.
    """
    try:
        about = json.loads((folder / JSON).read_bytes())
    except (OSError, ValueError):
        about = None
    brought = isinstance(about, dict) and about.get("format") == FORMAT
    return [*(map(str, about["files"]) if brought else ["weights.pt"]), JSON]


def inputs_of(artifact: str, declaration: Mapping[str, Any] | None) -> list[Path]:
    """Every file that an artifact is read from, so that a changed one is seen; those of a
    callable's own module included.

    Raises
    ------
    InputError
        The artifact is missing, or no form that is known.
    """
    kind = (declaration or {}).get("kind") or kind_of(artifact)
    path = Path(artifact)
    if kind == "frozen":
        return [path / name for name in _files_of(path)]
    values = dict(declaration or {})
    found: list[Path] = []
    if (file := declaration_file(artifact, kind)) is not None:
        found.append(file)
        values = {**declaring.read(file), **values}
    if kind == "callable":
        found += _module_file(artifact)
    else:
        found.append(path)
    if kind == "onnx":
        from lenscal.detector.adapters.onnx_files import external_files

        found += external_files(path)
    named = [*values.get("files", []), values.get("reference"), (values.get("trained_on") or {}).get("rows")]
    if ":" in str(values.get("network") or ""):
        found += _module_file(values["network"])
    return [*found, *(Path(name) for name in named if name)]


def _module_file(name: str) -> list[Path]:
    """The source file of ``module:function``, found without importing it."""
    from importlib.util import find_spec

    place = name.rpartition(":")[0]
    if place.endswith(".py"):
        return [Path(place)]
    try:
        spec = find_spec(place)
    except (ImportError, ValueError) as error:
        raise InputError(
            f"detector: '{name}' cannot be imported ({error}); expected 'module:function' or 'file.py:function'"
        ) from None
    if spec is None:
        raise InputError(
            f"detector: there is no module '{place}' of '{name}'; expected 'module:function' or "
            "'file.py:function' (relative to the run file)"
        )
    return [Path(spec.origin)] if spec.origin and spec.origin.endswith(".py") else []
