"""Networks by the name that a run file gives; PyTorch is imported when one is built."""

from __future__ import annotations

import hashlib
import inspect
import io
import sys
import tokenize
from collections.abc import Callable
from types import CodeType
from typing import TYPE_CHECKING

from lenscal.errors import InputError

if TYPE_CHECKING:
    from torch import nn


def _resnet18(channels: int) -> nn.Module:
    from lenscal.detector.network import ResNet18

    return ResNet18(channels)


RESNET18_FORMAT = 1  # of `network.ResNet18` and what it is shown: one more when its scores change

ARCHITECTURES: dict[str, Callable[[int], nn.Module]] = {"resnet18": _resnet18}
"""Name to factory: number of bands to a module that maps (n, bands, y, x) to logits (n,)."""


def register(name: str, factory: Callable[[int], nn.Module]) -> None:
    """Add an architecture under a name that run files can give.

    Parameters
    ----------
    name : str
        Not in use yet.
    factory : callable
        From the number of bands to a `torch.nn.Module` that maps images (n, bands, y, x) to logits (n,). A module
        with a method `folded` is scored through what that returns.
    """
    if name in ARCHITECTURES:
        raise InputError(f"architecture '{name}' is registered already; choose another name")
    ARCHITECTURES[name] = factory


def check(name: str) -> None:
    """Refuse a name that no architecture has.

    Raises
    ------
    ValueError
        It is not registered.
    """
    if name not in ARCHITECTURES:
        raise InputError(
            f"detector.architecture is '{name}'; known are {', '.join(sorted(ARCHITECTURES))} "
            "(add one with lenscal.detector.register)"
        )


def build(name: str, channels: int) -> nn.Module:
    """A fresh network of a registered architecture; its weights come from PyTorch's current random state."""
    check(name)
    return ARCHITECTURES[name](channels)


def code(name: str) -> str:
    """Digest (32 hex digits) of the code that makes and runs a registered architecture, comments and layout left out.

    It is that of the module in which the factory is written, or of the factory alone where its source cannot be read.
    lenscal's own networks have a number, which goes up when their scores change: an artifact outlives releases that do
    not change it.
    """
    check(name)
    factory = ARCHITECTURES[name]
    if factory is _resnet18:
        return _digest(f"lenscal resnet18 {RESNET18_FORMAT}".encode())
    return code_of(factory)


def code_of(function: Callable) -> str:
    """Digest (32 hex digits) of the module in which a function is written, or of the function alone where
    its source cannot be read.
    """
    try:
        return _digest(_plain(inspect.getsource(sys.modules[function.__module__])))
    except (OSError, TypeError, KeyError, AttributeError):
        own = getattr(function, "__code__", None)
        return _digest(_compiled(own) if own is not None else repr(type(function)).encode())


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _plain(source: str) -> bytes:
    """Source as its tokens: without comments, blank lines and docstrings."""
    left_out = {tokenize.COMMENT, tokenize.NL, tokenize.ENCODING}
    words, fresh = [], True  # fresh: a statement begins, so that a text is a docstring
    for kind, text, *_ in tokenize.generate_tokens(io.StringIO(source).readline):
        if kind in left_out or (kind == tokenize.STRING and fresh):
            continue
        layout = kind in (tokenize.INDENT, tokenize.DEDENT, tokenize.NEWLINE)
        words.append(tokenize.tok_name[kind] if layout else text)
        fresh = layout
    return "\0".join(words).encode()


def _compiled(code: CodeType) -> bytes:
    inner = b"".join(_compiled(c) if isinstance(c, CodeType) else repr(c).encode() for c in code.co_consts)
    return code.co_code + repr(code.co_names).encode() + inner
