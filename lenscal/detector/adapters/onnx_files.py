"""ONNX, asked through ONNX Runtime on the CPU."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml

from lenscal.detector.adapters.runtime import Runtime, digests, release
from lenscal.detector.declaration import Declaration
from lenscal.errors import InputError

METADATA = "lenscal"
"""Key of the metadata of an ONNX file that holds its declaration, as YAML or JSON."""
_TYPES = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(float16)": "float16"}


class Taken(NamedTuple):
    """An input of a graph: its name, type (numpy's name where it is one of floats), and sides, None where any."""

    name: str
    type: str
    shape: list[int | None]


_LEVELS = {
    "all": "ORT_ENABLE_ALL",
    "extended": "ORT_ENABLE_EXTENDED",
    "basic": "ORT_ENABLE_BASIC",
    "disabled": "ORT_DISABLE_ALL",
}


def metadata(path: Path) -> dict[str, Any]:
    """The declaration that an ONNX file carries; empty without one.

    Raises
    ------
    InputError
        The file is no ONNX, or its declaration no mapping.
    """
    text = {entry.key: entry.value for entry in _graph(path).metadata_props}.get(METADATA, "")
    values = yaml.safe_load(text) if text else {}
    if not isinstance(values, dict):
        raise InputError(
            f"detector: metadata '{METADATA}' of '{path.name}' is {json.dumps(text)[:200]}; expected a mapping"
        )
    return values


def _graph(path: Path) -> Any:
    import onnx

    try:
        return onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf raises its own types, by version
        raise InputError(f"detector: '{path.name}' is no ONNX file ({type(error).__name__}: {error})") from None


def external_files(path: Path) -> list[Path]:
    """Files beside an ONNX file that hold its larger tensors.

    Raises
    ------
    InputError
        One is missing, or lies outside of the folder of the file.
    """
    from onnx.external_data_helper import uses_external_data

    places = (
        {entry.key: entry.value for entry in tensor.external_data}
        for tensor in _tensors(_graph(path).graph)
        if uses_external_data(tensor)
    )
    names = {place["location"] for place in places}
    found = []
    for name in sorted(names):
        file = (path.parent / name).resolve()
        if not file.is_relative_to(path.parent.resolve()):
            raise InputError(
                f"detector: '{path.name}' reads '{name}', which is not beside it; save the "
                "model with its data in one folder"
            )
        if not file.is_file():
            raise InputError(
                f"detector: '{path.name}' keeps weights in '{name}', which is missing beside it; copy both"
            )
        found.append(file)
    return found


def _tensors(graph: Any) -> Iterator[Any]:
    """Every tensor that a graph, or a graph in it, keeps."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            for inner in (*((attribute.g,) if attribute.HasField("g") else ()), *attribute.graphs):
                yield from _tensors(inner)


def read(path: Path, declaration: Declaration) -> Runtime:
    """The runtime of an ONNX file.

    Raises
    ------
    InputError
        The graph does not take one batch of images as declared: what it takes is said.
    """
    import onnxruntime as ort

    files = (path, *external_files(path), *(Path(name) for name in declaration.files))
    options = ort.SessionOptions()
    options.intra_op_num_threads = declaration.threads
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 3
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, _LEVELS[declaration.optimisation])
    try:
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise InputError(
            f"detector: ONNX Runtime {ort.__version__} does not load '{path.name}' on the CPU "
            f"({str(error).splitlines()[0][:300]})"
        ) from error
    inputs = [
        Taken(one.name, _TYPES.get(one.type, one.type), [side if isinstance(side, int) else None for side in one.shape])
        for one in session.get_inputs()
    ]
    name, fixed = checked(inputs, declaration, path)
    output = session.get_outputs()[0].name

    def ask(images: np.ndarray) -> np.ndarray:
        return session.run([output], {name: images})[0]

    about = {
        "runtime": "onnxruntime",
        "version": release("onnxruntime"),
        "threads": declaration.threads,
        "optimisation": declaration.optimisation,
        "files": digests(files),
    }
    shapes = {one.name: [str(side) for side in one.shape] for one in (*session.get_inputs(), *session.get_outputs())}
    return Runtime(ask, about, files, fixed or declaration.batch, {"shapes": shapes})


def checked(inputs: Sequence[Taken], declaration: Declaration, path: Path) -> tuple[str, int | None]:
    """Name of the input, and the batch that the graph is fixed to, if it is.

    Raises
    ------
    InputError
        The graph does not take one batch of images as declared.
    """
    if len(inputs) != 1:
        raise InputError(
            f"detector: '{path.name}' has {len(inputs)} inputs "
            f"({', '.join(i.name for i in inputs)}); expected one, the images"
        )
    (one,) = inputs
    n_band, size = len(declaration.bands), declaration.size
    axes = (n_band, size, size) if declaration.layout == "channels_first" else (size, size, n_band)
    taken = f"'{one.name}' {one.type} ({', '.join('n' if side is None else str(side) for side in one.shape)})"
    if len(one.shape) != 4 or any(side is not None and side != axis for side, axis in zip(one.shape[1:], axes)):
        raise InputError(
            f"detector: '{path.name}' takes {taken}; declared are (n, {', '.join(map(str, axes))}): "
            "correct bands, size or layout"
        )
    if one.type != declaration.dtype:
        fix = f"declare `dtype: {one.type}`" if one.type in _TYPES.values() else "expected an input of floats"
        raise InputError(f"detector: '{path.name}' takes {taken}; declared is {declaration.dtype}: {fix}")
    return one.name, one.shape[0]
