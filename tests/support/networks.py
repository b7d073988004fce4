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


def write_forms(folder):
    """Write BlueRing as a function, a state dict, safetensors, TorchScript and ONNX, each with its declaration;
    their artifacts by form.
    """
    from safetensors.torch import save_file

    module, example = BlueRing().eval(), torch.zeros(2, 3, 48, 48)
    (folder / "mine.py").write_text(SOURCE)
    torch.save(module.state_dict(), folder / "weights.pt")
    save_file(module.state_dict(), folder / "safe.safetensors")
    torch.jit.trace(module, example).save(folder / "script.pt")
    batch = {0: torch.export.Dim("n", min=1)}
    program = torch.onnx.export(module, (example,), dynamo=True, dynamic_shapes=(batch,), verbose=False)
    program.save(folder / "net.onnx")
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
    }
