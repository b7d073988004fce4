"""ONNX, asked through OpenVINO on the CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lenscal.detector.adapters.onnx_files import Taken, checked, external_files
from lenscal.detector.adapters.runtime import Runtime, digests, release
from lenscal.detector.declaration import Declaration
from lenscal.errors import InputError

_TYPES = {"f32": "float32", "f64": "float64", "f16": "float16"}


def read(path: Path, declaration: Declaration) -> Runtime:
    """The runtime of an ONNX file, in single precision: where a processor has bfloat16, OpenVINO would take that.

    Raises
    ------
    InputError
        The graph does not take one batch of images as declared: what it takes is said.
    """
    import openvino

    files = (path, *external_files(path), *(Path(name) for name in declaration.files))
    settings = {
        "INFERENCE_PRECISION_HINT": "f32",
        "EXECUTION_MODE_HINT": "ACCURACY",
        "INFERENCE_NUM_THREADS": declaration.threads,
        "NUM_STREAMS": 1,
    }
    try:
        model = openvino.Core().read_model(path)
        inputs = [
            Taken(
                one.get_any_name(),
                _TYPES.get(one.element_type.get_type_name(), one.element_type.get_type_name()),
                [None if side.is_dynamic else side.get_length() for side in one.partial_shape],
            )
            for one in model.inputs
        ]
        compiled = openvino.Core().compile_model(model, "CPU", settings)
    except Exception as error:
        raise InputError(
            f"detector: OpenVINO {openvino.__version__} does not load '{path.name}' on the CPU "
            f"({str(error).strip().splitlines()[-1][:300]})"
        ) from error
    _, fixed = checked(inputs, declaration, path)
    request = compiled.create_infer_request()

    def ask(images: np.ndarray) -> np.ndarray:
        return np.array(request.infer([images])[compiled.outputs[0]])

    about = {
        "runtime": "openvino",
        "version": release("openvino"),
        "threads": declaration.threads,
        "precision": "f32",
        "files": digests(files),
    }
    shapes = {one.get_any_name(): [str(side) for side in one.partial_shape] for one in (*model.inputs, *model.outputs)}
    return Runtime(ask, about, files, fixed or declaration.batch, {"shapes": shapes})
