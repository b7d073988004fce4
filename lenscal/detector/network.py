"""The network trained by default: bands in, one logit out."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from lenscal.errors import InputError


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al. 2016, figure 5, left)."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = None
        if stride != 1 or channels_in != channels:
            shortcut = nn.Conv2d(channels_in, channels, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = torch.relu_(self.bn1(self.conv1(x)))
        return torch.relu_(self.bn2(self.conv2(x)) + shortcut)


class ResNet18(nn.Module):
    """ResNet18 with the parameter names of torchvision, so that weights published under those names load.

    Parameters
    ----------
    channels : int
        Bands of the images.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = nn.Sequential(BasicBlock(64, 64, 1), BasicBlock(64, 64, 1))
        self.layer2 = nn.Sequential(BasicBlock(64, 128, 2), BasicBlock(128, 128, 1))
        self.layer3 = nn.Sequential(BasicBlock(128, 256, 2), BasicBlock(256, 256, 1))
        self.layer4 = nn.Sequential(BasicBlock(256, 512, 2), BasicBlock(512, 512, 1))
        self.fc = nn.Linear(512, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits (n,) of images (n, channels, y, x)."""
        x = self.maxpool(torch.relu_(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x)))).mean((2, 3))
        # Not self.fc(x): a matrix product sums in an order that depends on the row's place in the batch.
        return (x * self.fc.weight[0]).sum(1) + self.fc.bias

    def folded(self) -> ResNet18:
        """A copy for scoring, each batch normalisation folded into the convolution before it."""
        network = deepcopy(self).eval()
        network.conv1, network.bn1 = fuse_conv_bn_eval(network.conv1, network.bn1), nn.Identity()
        for block in network.modules():
            if isinstance(block, BasicBlock):
                block.conv1, block.bn1 = fuse_conv_bn_eval(block.conv1, block.bn1), nn.Identity()
                block.conv2, block.bn2 = fuse_conv_bn_eval(block.conv2, block.bn2), nn.Identity()
                if block.downsample is not None:
                    block.downsample = nn.Sequential(fuse_conv_bn_eval(*block.downsample))
        return network


def start_from(network: nn.Module, published: Mapping[str, torch.Tensor]) -> list[str]:
    """Copy published weights into a network, where name and shape agree.

    Parameters
    ----------
    network : Module
        Changed in place.
    published : mapping of name to tensor
        Such as the state dict of torchvision's ResNet18; its 1000-class head does not fit and is left out.

    Returns
    -------
    list of str
        Names of the network that keep their fresh weights.

    Raises
    ------
    ValueError
        When anything but the head `fc` would be left fresh.
    """
    own = network.state_dict()
    fresh = [name for name in own if name not in published or published[name].shape != own[name].shape]
    if wrong := [name for name in fresh if not name.startswith("fc.")]:
        raise InputError(
            f"published weights lack, or have in another shape, {len(wrong)} of the network's {len(own)} tensors: "
            f"{', '.join(wrong[:5])}; expected the names and shapes of torchvision's resnet18 for these bands"
        )
    network.load_state_dict({name: own[name] if name in fresh else published[name] for name in own})
    return fresh
