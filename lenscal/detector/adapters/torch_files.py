"""PyTorch: a state dict (`weights_only`), safetensors, TorchScript, and, when code is allowed,
`torch.export` archives.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import nn

from lenscal.detector import architectures
from lenscal.detector.adapters import callables
from lenscal.detector.adapters.runtime import Runtime, digests, release
from lenscal.detector.declaration import Declaration
from lenscal.detector.frozen import content_hash, threads
from lenscal.errors import InputError


def is_torchscript(path: Path) -> bool:
    """Whether a file is a TorchScript archive, which holds its code beside its tensors."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any("/code/" in name for name in archive.namelist())


def read(path: Path, declaration: Declaration) -> Runtime:
    """The runtime of a file of PyTorch, by the kind that is declared.

    Raises
    ------
    InputError
        The file cannot be read as that kind, or the weights do not fit the network: names and shapes are listed.
    """
    reading = {"state_dict": _from_weights, "torchscript": _from_torchscript, "export": _from_export}
    module, code = reading[str(declaration.kind)](path, declaration)
    files = (path, *(Path(name) for name in declaration.files))
    return _runtime(module, declaration, {"code": code, "files": digests(files)}, files)


def of_module(module: nn.Module, declaration: Declaration) -> Runtime:
    """The runtime of a module in memory."""
    about = {"code": architectures.code_of(type(module)), "weights": content_hash(module.state_dict(), {})}
    return _runtime(module, declaration, about, ())


def _runtime(module: nn.Module, declaration: Declaration, about: dict, files: tuple[Path, ...]) -> Runtime:
    if callable(getattr(module, "eval", None)) and declaration.kind != "export":
        module.eval()
    if hasattr(module, "folded"):
        module = module.folded()
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    where = {str(tensor.device) for tensor in (*module.parameters(), *module.buffers())} - {"cpu"}
    if where:
        raise InputError(
            f"detector: its weights lie on {', '.join(sorted(where))}; scores are made on the CPU of any worker: "
            "save it after `module.cpu()`"
        )

    def ask(images: np.ndarray) -> np.ndarray:
        with threads(declaration.threads), torch.inference_mode():
            out = module(torch.from_numpy(images))
        return np.asarray(out.detach().numpy() if isinstance(out, torch.Tensor) else out)

    about = {"runtime": "torch", "version": release("torch"), "threads": declaration.threads, **about}
    return Runtime(ask, about, files, declaration.batch)


def _from_weights(path: Path, declaration: Declaration) -> tuple[nn.Module, str]:
    weights = _safetensors(path) if path.suffix == ".safetensors" else _state_dict(path)
    if declaration.network is None:
        known = ", ".join(sorted(architectures.ARCHITECTURES))
        raise InputError(
            f"detector: '{path.name}' holds weights alone; declare `network` ({known}, 'module:factory' or "
            f"'file.py:factory') in {path.with_suffix('.yaml').name}"
        )
    module, code = _network(declaration)
    _fill(module, weights, path)
    return module, code


def _network(declaration: Declaration) -> tuple[nn.Module, str]:
    name = str(declaration.network)
    if ":" not in name:
        architectures.check(name)
        return architectures.build(name, len(declaration.bands)), architectures.code(name)
    factory = callables.found(name)
    try:
        module = factory(**declaration.arguments)
    except Exception as error:
        raise InputError(
            f"detector: {name} does not make a network of {declaration.arguments} ({type(error).__name__}: {error})"
        ) from error
    if not isinstance(module, nn.Module):
        raise InputError(f"detector: {name} makes {type(module).__name__}; expected a torch.nn.Module")
    return module, architectures.code_of(factory)


def _state_dict(path: Path) -> Mapping[str, torch.Tensor]:
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged and refused archives raise many types
        raise InputError(
            f"detector: '{path.name}' cannot be read as plain tensors ({type(error).__name__}); nothing is unpickled "
            "here: save `module.state_dict()`, or export the network to TorchScript or ONNX"
        ) from error
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    if not isinstance(found, dict) or not all(isinstance(value, torch.Tensor) for value in found.values()):
        raise InputError(f"detector: '{path.name}' holds {type(found).__name__}; expected a state dict of tensors")
    return found


def _safetensors(path: Path) -> Mapping[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise InputError(f"detector: '{path.name}' is no file of safetensors ({error})") from None


def _fill(module: nn.Module, weights: Mapping[str, torch.Tensor], path: Path) -> None:
    """Put weights into a module; every name and shape has to fit."""
    weights = {name.removeprefix("module."): value for name, value in weights.items()}  # of DataParallel
    own = module.state_dict()
    absent = [name for name in own if name not in weights]
    unknown = [name for name in weights if name not in own]
    shaped = [
        f"{name} {tuple(weights[name].shape)} for {tuple(own[name].shape)}"
        for name in own
        if name in weights and weights[name].shape != own[name].shape
    ]
    if absent or unknown or shaped:
        said = [
            f"{len(names)} {what} ({', '.join(names[:5])}{', ...' if len(names) > 5 else ''})"
            for what, names in (("are missing", absent), ("are unknown", unknown), ("have another shape", shaped))
            if names
        ]
        raise InputError(
            f"detector: '{path.name}' does not fit the network: of its tensors {', '.join(said)}; "
            "declare the `network` and `arguments` that it was trained with"
        )
    module.load_state_dict(weights, strict=True)


def _from_torchscript(path: Path, declaration: Declaration) -> tuple[nn.Module, str]:
    try:
        return torch.jit.load(path, map_location="cpu"), ""
    except RuntimeError as error:
        raise InputError(
            f"detector: '{path.name}' cannot be loaded as TorchScript on the CPU ({str(error).splitlines()[0]})"
        ) from error


def _from_export(path: Path, declaration: Declaration) -> tuple[nn.Module, str]:
    if not declaration.allow_code:
        raise InputError(
            f"detector: loading '{path.name}' (torch.export) runs what the file says; declare `allow_code: true` if "
            "you made it yourself, or export to ONNX or TorchScript"
        )
    try:
        return torch.export.load(path).module(), ""
    except Exception as error:
        raise InputError(
            f"detector: '{path.name}' is no torch.export archive of PyTorch {torch.__version__} "
            f"({type(error).__name__}: {error})"
        ) from error
