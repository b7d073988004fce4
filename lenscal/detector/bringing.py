"""Anyone's detector: from what its owner has to something that can be asked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lenscal.detector import declaration as declaring
from lenscal.detector import score_table
from lenscal.detector.brought import Brought
from lenscal.detector.declaration import Declaration
from lenscal.detector.protocol import Detector
from lenscal.detector.tables import is_table
from lenscal.errors import InputError
from lenscal.extras import named

JSON = "detector.json"
FORMS = (
    "'module:function' or 'file.py:function', a state dict (.pt, .pth) or .safetensors with `network` "
    "declared, TorchScript (.pt), ONNX (.onnx), torch.export (.pt2), a table of scores (.parquet, .csv, "
    ".ecsv, .fits), or a folder with detector.json"
)


def kind_of(artifact: str) -> str:
    """Form of an artifact, by its name and content: a `Declaration.kind`, or ``frozen`` for a folder of lenscal's own.

    Raises
    ------
    InputError
        It is none, or missing.
    """
    path = Path(artifact)
    if path.is_dir():
        if (path / JSON).is_file():
            return "frozen"
        raise InputError(f"detector: folder '{artifact}' holds no {JSON}; expected {FORMS}")
    if ":" in path.name:
        return "callable"
    if not path.is_file():
        raise InputError(f"detector: '{artifact}' is missing; expected {FORMS}")
    if is_table(path):
        return "scores"
    suffix = path.suffix.lower()
    if suffix in (".onnx", ".safetensors", ".pt2"):
        return {".onnx": "onnx", ".safetensors": "state_dict", ".pt2": "export"}[suffix]
    if suffix in (".pt", ".pth", ".bin", ".ckpt", ".ts"):
        from lenscal.detector.adapters.torch_files import is_torchscript

        return "torchscript" if is_torchscript(path) else "state_dict"
    raise InputError(f"detector: '{path.name}' is no form that is known; expected {FORMS}")


def bring(source: object, declaration: Mapping[str, Any] | None = None, **words: Any) -> Detector:
    """A detector of one's own, held to what a detector is.

    Parameters
    ----------
    source : str, Path, callable or torch.nn.Module
        A file of weights, TorchScript, ONNX or scores; ``module:function``; a folder of a frozen detector; or the thing
        itself.
    declaration : mapping, optional
        Keys of `Declaration`; by default those of the YAML file beside the artifact, or of the metadata of an ONNX
        file.
    **words
        Single keys of the declaration, such as ``bands=["g", "r", "z"]``; they win.

    Returns
    -------
    Detector
        `Frozen`, `Brought` or `ScoreTable`.

    Raises
    ------
    InputError
        It cannot be read, does not fit its declaration, or fails the probe: the message says what was found and what to
        declare.

    Examples
    --------
    >>> import lenscal as lc
    >>> detector = lc.detector("model.onnx", bands=["g", "r", "z"], size=64)  # doctest: +SKIP
    >>> detector.score(stamps)  # doctest: +SKIP
    """
    with named():
        if isinstance(source, (str, Path)):
            return _of_artifact(str(source), {**(declaration or {}), **words}, given=declaration is not None)
        checked = declaring.declared({**(declaration or {}), **words}, "declaration")
        return Brought(_of_object(source, checked), checked, source)


def _of_artifact(artifact: str, values: dict[str, Any], given: bool) -> Detector:
    kind = values.get("kind") or kind_of(artifact)
    if kind == "frozen":
        from lenscal.detector.keeping import reopened

        return reopened(Path(artifact))
    found, where = _declared(artifact, kind, values, given)
    checked = declaring.declared({"kind": kind, **found}, where)
    if kind == "scores":
        return score_table.read(Path(artifact), checked)
    return Brought(_runtime(artifact, checked), checked, artifact)


def _declared(artifact: str, kind: str, values: dict[str, Any], given: bool) -> tuple[dict[str, Any], str]:
    """Keys of the declaration and where they are written: given, in the file beside it, or in the artifact."""
    file = declaration_file(artifact, kind)
    if file is not None and given:
        raise InputError(f"detector: it is declared twice, in the run file and in '{file}'; keep one")
    beside = declaring.read(file) if file is not None else {}
    inside: dict[str, Any] = {}
    if kind == "onnx":
        from lenscal.detector.adapters.onnx_files import metadata

        inside = metadata(Path(artifact))
        said = {**beside, **values}
        if other := [name for name in inside if name in said and said[name] != inside[name]]:
            listed = ", ".join(f"{name} {said[name]} for {inside[name]}" for name in other)
            raise InputError(
                f"detector: '{Path(artifact).name}' declares in itself something else than its declaration "
                f"({listed}); correct one of the two"
            )
    where = f"declaration '{file}'" if file is not None else "declaration"
    return {**inside, **beside, **values}, where


def declaration_file(artifact: str, kind: str) -> Path | None:
    """The YAML file beside an artifact: of its name, or, for a function of a file, of the file's."""
    place = artifact.rpartition(":")[0] if kind == "callable" else artifact
    if kind == "callable" and not place.endswith(".py"):
        return None
    return declaring.beside(Path(place))


def _runtime(source: object, declaration: Declaration) -> Any:
    kind = declaration.kind
    if kind == "callable":
        from lenscal.detector.adapters import callables

        return callables.read(callables.found(str(source)), declaration)
    if kind == "onnx":
        from lenscal.detector.adapters import onnx_files, openvino_files

        reader = openvino_files if declaration.runtime == "openvino" else onnx_files
        return reader.read(Path(str(source)), declaration)
    from lenscal.detector.adapters import torch_files

    return torch_files.read(Path(str(source)), declaration)


def _of_object(source: object, declaration: Declaration) -> Any:
    if hasattr(source, "state_dict") and hasattr(source, "eval"):
        from lenscal.detector.adapters import torch_files

        return torch_files.of_module(source, declaration)  # type: ignore[arg-type]
    from lenscal.detector.adapters import callables

    return callables.read(source, declaration)  # type: ignore[arg-type]


def again(source: object, declaration: Declaration, hash_: str) -> Brought:
    """A detector that was brought before, from where it lies; it is not probed a second time.

    Raises
    ------
    InputError
        It is another one by now.
    """
    is_named = isinstance(source, (str, Path))
    runtime = _runtime(source, declaration) if is_named else _of_object(source, declaration)
    found = Brought(runtime, declaration, source, probed=True)
    if found.hash != hash_:
        raise InputError(
            f"detector: '{source}' is not the one that was frozen: expected hash {hash_[:12]}, found "
            f"{found.hash[:12]} ({json.dumps(runtime.about, sort_keys=True)[:300]}); its files, code or runtime "
            "changed, so run the stage detector again"
        )
    return found
