"""Whether training computes in bfloat16: where the processor has it. How much faster a step is for it is measured and
said, and decides nothing: a choice by the clock would give two trainings of one seed other bytes.
"""

from __future__ import annotations

import time
from copy import deepcopy

import numpy as np
import torch

ROUNDS = 3
IMAGES = 16
"""Of a step that is measured."""


def known(device: torch.device) -> bool:
    """Whether the processor computes in bfloat16 itself; one that does not is several times slower with it."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    has = getattr(torch.cpu, "get_capabilities", dict)()  # of PyTorch before it could tell: single precision
    return any(bool(has.get(name, False)) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def gain(module: torch.nn.Module, channels: int, size: int, device: torch.device) -> float:
    """Time of a step in single precision over that in bfloat16, on a copy of the network. Processor time
    counts, so that other work of the machine does not.
    """
    copy = deepcopy(module).train()
    images = torch.linspace(-1, 1, IMAGES * channels * size * size, device=device).reshape(IMAGES, channels, size, size)
    images = images.contiguous(memory_format=torch.channels_last)

    def seconds(mixed: bool) -> float:
        clock = time.perf_counter if device.type == "cuda" else time.process_time
        start = clock()
        copy.zero_grad()
        with torch.autocast(device.type, torch.bfloat16, enabled=mixed):
            logits = copy(images).float()
        logits.square().mean().backward()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return clock() - start

    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        seconds(False), seconds(True)  # the first of each prepares kernels
        single, mixed = np.array([(seconds(False), seconds(True)) for _ in range(ROUNDS)]).min(0)
    return float(single / mixed)


def chosen(setting: str, module: torch.nn.Module, channels: int, size: int, device: torch.device) -> tuple[bool, float]:
    """Whether to compute in bfloat16, and how much faster a step is for it (NaN where that was not measured).

    Parameters
    ----------
    setting : str
        ``on``, ``off`` or ``auto``: where the processor has it.
    channels, size : int
        Of the images.
    """
    if setting != "auto":
        return setting == "on", float("nan")
    if not known(device):
        return False, float("nan")
    return True, gain(module, channels, size, device)
