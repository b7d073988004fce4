"""Scoring through lenscal against the runtime by itself, on the same batches: ResNet18 in each form, one thread.

    python benchmarks/detectors.py [--stamps 1024] [--rounds 5]

ONNX is written by PyTorch, which needs onnxscript for it (`pip install onnxscript`). Prints images per second and
their ratio (1 is no cost), medians of rounds in turns.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))
warnings.filterwarnings("ignore")

DECLARED = {"bands": ["g", "r", "z"], "size": 64, "scale": [0.009, 0.015, 0.036], "stretch": "arcsinh"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stamps", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    stamps = np.random.default_rng(1).normal(0, 0.02, (asked.stamps, 3, 64, 64)).astype("f4")
    print(f"{asked.stamps} stamps, {asked.rounds} rounds in turns")
    with tempfile.TemporaryDirectory() as folder:
        for form, detector, bare in forms(Path(folder)):
            shown = batches(detector, stamps)
            bare(shown[0])
            seconds: dict[str, list[float]] = {"lenscal": [], "bare": []}
            for _ in range(asked.rounds):
                seconds["bare"].append(timed(lambda shown=shown, bare=bare: [bare(batch) for batch in shown]))
                seconds["lenscal"].append(timed(lambda detector=detector: detector.score(stamps)))
            rate = {name: asked.stamps / np.median(times) for name, times in seconds.items()}
            ratio = rate["lenscal"] / rate["bare"]
            print(f"{form:12} lenscal {rate['lenscal']:7.1f} /s  bare {rate['bare']:7.1f} /s  ratio {ratio:.3f}")


def timed(work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def batches(detector, stamps):
    """The prepared batches that the runtime is asked for."""
    from lenscal.detector.preparing import prepared

    return [prepared(stamps[first : first + 64], detector.declaration) for first in range(0, len(stamps), 64)]


def forms(folder):
    """Name, detector, and the runtime by itself, of one network."""
    import onnxruntime as ort

    from lenscal.detector import adapters
    from lenscal.detector.adapters import onnx_files, torch_files
    from lenscal.detector.brought import Brought
    from lenscal.detector.declaration import declared
    from lenscal.detector.network import ResNet18

    torch.manual_seed(0)
    module, example = ResNet18(3).eval(), torch.zeros(2, 3, 64, 64)
    torch.save(module.state_dict(), folder / "net.pt")
    torch.jit.trace(module, example).save(folder / "script.pt")
    batch = {0: torch.export.Dim("n", min=1)}
    torch.onnx.export(module, (example,), dynamo=True, dynamic_shapes=(batch,), verbose=False).save(folder / "net.onnx")

    def brought(kind, file, read, **more) -> Brought:
        told = declared({"kind": kind, **DECLARED, **more}, "")
        runtime: adapters.Runtime = read(folder / file, told)
        return Brought(runtime, told, str(folder / file), probed=True)

    folded = module.folded()
    script = torch.jit.load(folder / "script.pt").eval()
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(str(folder / "net.onnx"), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def of_torch(network):
        def ask(images):
            with torch.inference_mode():
                return network(torch.from_numpy(images)).numpy()

        return ask

    yield "state dict", brought("state_dict", "net.pt", torch_files.read, network="resnet18"), of_torch(folded)
    yield "TorchScript", brought("torchscript", "script.pt", torch_files.read), of_torch(script)
    yield "ONNX", brought("onnx", "net.onnx", onnx_files.read), lambda images: session.run(None, {name: images})


if __name__ == "__main__":
    main()
