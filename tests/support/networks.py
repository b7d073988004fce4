"""A small network that tells blue rings from red galaxies, and the forms in which its owner may bring it."""

import numpy as np
import torch
import yaml
from torch import nn

DECLARED = {
    "bands": ["g", "r", "z"],
    "size": 48,
    "scale": [0.01, 0.02, 0.04],
    "stretch": "arcsinh",
    "output": "logit",
}


class BlueRing(nn.Module):
    """Light of the ring about the middle, band by band, through a layer that knows that arcs are blue."""

    def __init__(self, side: int = 48, channels: int = 3):
        super().__init__()
        y, x = np.mgrid[:side, :side] - (side - 1) / 2
        ring = (np.hypot(y, x) > 3) & (np.hypot(y, x) < 10)
        self.register_buffer("ring", torch.tensor(ring / ring.sum(), dtype=torch.float32))
        self.conv = nn.Conv2d(channels, 4, 3, padding=1)
        self.fc = nn.Linear(4, 1)
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            self.conv.weight.copy_(0.02 * torch.randn(self.conv.weight.shape, generator=generator))
            self.conv.weight[:, :, 1, 1] += torch.tensor([2.0, 0.3, -1.2])[:channels]
            self.conv.bias.fill_(1.0)
            self.fc.weight.fill_(1.0)
            self.fc.bias.fill_(-3.0)

    def forward(self, x):
        """Logits (n,) of images (n, channels, y, x)."""
        x = torch.relu(self.conv(x)) * self.ring
        return (x.sum((2, 3)) * self.fc.weight[0]).sum(1) + self.fc.bias


SOURCE = '''
"""A network's code, as its owner has it."""

import torch
from networks import BlueRing


def build(side=48):
    return BlueRing(side)


MODULE = build().eval()


def score(images):
    with torch.inference_mode():
        return MODULE(torch.from_numpy(images)).numpy()
'''


def save_onnx(module, path):
    """Write BlueRing as an ONNX graph, node by node."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    side = module.ring.shape[0]
    held = {
        "kernel": module.conv.weight.detach().numpy(),
        "bias": module.conv.bias.detach().numpy(),
        "ring": module.ring.numpy(),
        "weight": module.fc.weight.detach().numpy()[0],
        "shift": module.fc.bias.detach().numpy(),
        "sky": np.array([2, 3]),
        "channel": np.array([1]),
    }
    nodes = [
        helper.make_node("Conv", ["images", "kernel", "bias"], ["light"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["light"], ["positive"]),
        helper.make_node("Mul", ["positive", "ring"], ["ringed"]),
        helper.make_node("ReduceSum", ["ringed", "sky"], ["sums"], keepdims=0),
        helper.make_node("Mul", ["sums", "weight"], ["weighed"]),
        helper.make_node("ReduceSum", ["weighed", "channel"], ["total"], keepdims=0),
        helper.make_node("Add", ["total", "shift"], ["logit"]),
    ]
    taken = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, side, side])
    given = helper.make_tensor_value_info("logit", TensorProto.FLOAT, ["n"])
    graph = helper.make_graph(
        nodes, "blue ring", [taken], [given], [numpy_helper.from_array(values, name) for name, values in held.items()]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.save(model, path)


def write_forms(folder):
    """Write BlueRing as a function, a state dict, safetensors, TorchScript and ONNX (for two runtimes), each with its
    declaration; their artifacts by form.
    """
    from safetensors.torch import save_file

    module, example = BlueRing().eval(), torch.zeros(2, 3, 48, 48)
    (folder / "mine.py").write_text(SOURCE)
    torch.save(module.state_dict(), folder / "weights.pt")
    save_file(module.state_dict(), folder / "safe.safetensors")
    torch.jit.trace(module, example).save(folder / "script.pt")
    save_onnx(module, folder / "net.onnx")
    save_onnx(module, folder / "open.onnx")
    (folder / "open.yaml").write_text(yaml.safe_dump({**DECLARED, "runtime": "openvino"}))
    for name in ("mine", "script", "net"):
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(DECLARED))
    for name in ("weights", "safe"):
        (folder / f"{name}.yaml").write_text(yaml.safe_dump({**DECLARED, "network": "mine.py:build"}))
    return {
        "function": f"{folder / 'mine.py'}:score",
        "state dict": str(folder / "weights.pt"),
        "safetensors": str(folder / "safe.safetensors"),
        "TorchScript": str(folder / "script.pt"),
        "ONNX": str(folder / "net.onnx"),
        "OpenVINO": str(folder / "open.onnx"),
    }
