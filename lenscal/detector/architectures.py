"""Networks by the name that a run file gives; PyTorch is imported when one is built."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


def _resnet18(channels: int) -> nn.Module:
    from lenscal.detector.network import ResNet18

    return ResNet18(channels)


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
        raise ValueError(f"architecture '{name}' is registered already; choose another name")
    ARCHITECTURES[name] = factory


def check(name: str) -> None:
    """Refuse a name that no architecture has.

    Raises
    ------
    ValueError
        It is not registered.
    """
    if name not in ARCHITECTURES:
        raise ValueError(
            f"detector.architecture is '{name}'; known are {', '.join(sorted(ARCHITECTURES))} "
            "(add one with lenscal.detector.register)"
        )


def build(name: str, channels: int) -> nn.Module:
    """A fresh network of a registered architecture; its weights come from PyTorch's current random state."""
    check(name)
    return ARCHITECTURES[name](channels)
