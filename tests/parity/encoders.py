# SPDX-License-Identifier: Apache-2.0
"""Reference encoders for the parity scripts, under the names of public checkpoints: torchvision's ResNet as it comes,
EfficientNet and the first U-Net's contracting path written here from their papers.

encoder(name, inputs) gives a module whose forward returns the image and one feature per halving (`basic`: no image),
and whose `channels` are those of the features. dilate(network, 16) makes that its greatest stride, or 8, as
segmentation_models.pytorch does. calibrate(network, inputs) sees to it that every layer counts. check_over_encoders() is
the whole of a script that holds a plugin against a network over them. forward.py is to be imported first: it skips where
there is no PyTorch.
"""
import math

from forward import check, randomize

import torch
import torchvision
from torch import nn
from torch.nn import functional as F


class ResNet(nn.Module):
    def __init__(self, name, inputs):
        super().__init__()
        network = getattr(torchvision.models, name)()
        for part in ("conv1", "bn1", "layer1", "layer2", "layer3", "layer4"):
            setattr(self, part, getattr(network, part))
        if inputs != 3:
            self.conv1 = nn.Conv2d(inputs, 64, 7, stride=2, padding=3, bias=False)
        deep = 4 if name in ("resnet50", "resnet101") else 1
        self.channels = (inputs, 64, 64 * deep, 128 * deep, 256 * deep, 512 * deep)

    def forward(self, x):
        features = [x, torch.relu(self.bn1(self.conv1(x)))]
        y = F.max_pool2d(features[-1], 3, stride=2, padding=1)
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            y = layer(y)
            features.append(y)
        return features

    def deepest(self):
        return self.layer3, self.layer4


class SameConv2d(nn.Conv2d):
    """TensorFlow's "same" padding for a grid of `side` pixels."""

    def __init__(self, inputs, outputs, kernel, side, stride=1, groups=1):
        super().__init__(inputs, outputs, kernel, stride=stride, groups=groups, bias=False)
        zeros = max((math.ceil(side / stride) - 1) * stride + kernel - side, 0)
        self.zeros = (zeros // 2, math.ceil(zeros / 2)) * 2

    def forward(self, x):
        return super().forward(F.pad(x, self.zeros))


class MBConv(nn.Module):
    def __init__(self, inputs, outputs, kernel, stride, expansion, side):
        super().__init__()
        wide, squeezed = inputs * expansion, max(1, inputs // 4)
        if expansion > 1:
            self._expand_conv = nn.Conv2d(inputs, wide, 1, bias=False)
            self._bn0 = nn.BatchNorm2d(wide, eps=1e-3)
        self._depthwise_conv = SameConv2d(wide, wide, kernel, side, stride, wide)
        self._bn1 = nn.BatchNorm2d(wide, eps=1e-3)
        self._se_reduce = nn.Conv2d(wide, squeezed, 1)
        self._se_expand = nn.Conv2d(squeezed, wide, 1)
        self._project_conv = nn.Conv2d(wide, outputs, 1, bias=False)
        self._bn2 = nn.BatchNorm2d(outputs, eps=1e-3)

    def forward(self, x):
        y = x
        if hasattr(self, "_expand_conv"):
            y = self._bn0(self._expand_conv(y))
            y = y * torch.sigmoid(y)
        y = self._bn1(self._depthwise_conv(y))
        y = y * torch.sigmoid(y)
        s = self._se_reduce(y.mean((2, 3), keepdim=True))
        y = y * torch.sigmoid(self._se_expand(s * torch.sigmoid(s)))
        y = self._bn2(self._project_conv(y))
        return x + y if x.shape == y.shape else y


class EfficientNet(nn.Module):
    # blocks, kernel, stride, expansion, channels of B0's stages
    STAGES = ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112),
              (4, 5, 2, 6, 192), (1, 3, 1, 6, 320))
    # factors on width and depth, resolution, blocks before the features at strides 4, 8 and 16
    SCALES = {"b0": (1.0, 1.0, 224, (3, 5, 9)), "b1": (1.0, 1.1, 240, (5, 8, 16)), "b2": (1.1, 1.2, 260, (5, 8, 16)),
              "b3": (1.2, 1.4, 300, (5, 8, 18)), "b4": (1.4, 1.8, 380, (6, 10, 22)), "b5": (1.6, 2.2, 456, (8, 13, 27)),
              "b6": (1.8, 2.6, 528, (9, 15, 31)), "b7": (2.0, 3.1, 600, (11, 18, 38))}

    def __init__(self, name, inputs):
        super().__init__()
        width, depth, side, self.ends = self.SCALES[name.split("-")[1]]

        def rounded(channels):
            wanted = channels * width
            nearest = max(8, int(wanted + 4) // 8 * 8)
            return nearest + 8 if nearest < 0.9 * wanted else nearest

        channels = rounded(32)
        self._conv_stem = SameConv2d(inputs, channels, 3, side, 2)
        self._bn0 = nn.BatchNorm2d(channels, eps=1e-3)
        self._blocks = nn.ModuleList()
        widths, side = [channels], math.ceil(side / 2)
        for blocks, kernel, stride, expansion, outputs in self.STAGES:
            for _ in range(math.ceil(blocks * depth)):
                self._blocks.append(MBConv(channels, rounded(outputs), kernel, stride, expansion, side))
                channels, side, stride = rounded(outputs), math.ceil(side / stride), 1
                widths.append(channels)
        self._conv_head = nn.Conv2d(channels, rounded(1280), 1, bias=False)
        self._bn1 = nn.BatchNorm2d(rounded(1280), eps=1e-3)
        self.channels = (inputs, widths[0], *(widths[end] for end in self.ends), channels)

    def forward(self, x):
        y = self._bn0(self._conv_stem(x))
        y = y * torch.sigmoid(y)
        features = [x, y]
        for number, block in enumerate(self._blocks, 1):
            y = block(y)
            if number in self.ends or number == len(self._blocks):
                features.append(y)
        return features

    def deepest(self):
        return self._blocks[self.ends[1]:self.ends[2]], self._blocks[self.ends[2]:]


class Basic(nn.Module):
    def __init__(self, name, inputs):
        super().__init__()
        self.channels = (64, 128, 256, 512, 1024)
        self.levels = nn.ModuleList()
        for outputs in self.channels:
            layers = []
            for start in (inputs, outputs):
                layers += [nn.Conv2d(start, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]
            self.levels.append(nn.Sequential(*layers))
            inputs = outputs

    def forward(self, x):
        features = [self.levels[0](x)]
        for level in self.levels[1:]:
            features.append(level(F.max_pool2d(features[-1], 2)))
        return features


def encoder(name, inputs):
    if name == "basic":
        return Basic(name, inputs)
    return (EfficientNet if name.startswith("efficientnet") else ResNet)(name, inputs)


def dilate(network, output_stride):
    """Every convolution behind the feature of that stride has stride 1, and dilation for what that leaves out."""
    for part, stride in zip(network.deepest(), (16, 32)):
        if stride <= output_stride:
            continue
        for module in part.modules():
            if isinstance(module, nn.Conv2d):
                dilation = stride // output_stride
                module.stride, module.dilation = (1, 1), (dilation, dilation)
                module.padding = tuple(side // 2 * dilation for side in module.kernel_size)
                module.zeros = (0, 0, 0, 0)
    return network


def calibrate(network, channels):
    """Running statistics about those of the layer that each belongs to: with others the values of a deep encoder fade or
    explode from block to block, until its end does not count or nothing else does."""
    def set_statistics(norm, inputs):
        mean, deviation = inputs[0].mean(), inputs[0].std()
        norm.running_mean.normal_(mean, 0.2 * deviation)
        norm.running_var.uniform_(0.5, 1.5).mul_(deviation ** 2)

    hooks = [module.register_forward_pre_hook(set_statistics) for module in network.modules()
             if isinstance(module, nn.BatchNorm2d)]
    with torch.no_grad():
        network.eval()(torch.rand(2, channels, 64, 64))
    for hook in hooks:
        hook.remove()
    return network


def check_over_encoders(program, plugin, network, cases):
    """The exit status of a parity script: `network(encoder, channels, **parameters)` against the plugin, for each case
    (encoder, image channels, batch and image size, parameters)."""
    agree = []
    for name, channels, size, parameters in cases:
        torch.manual_seed(7)
        reference = calibrate(randomize(network(name, channels, **parameters)), channels)
        agree.append(check(program, plugin, {"encoder": name, **parameters}, channels, reference, reference.state_dict(), size))
    return 0 if all(agree) else 1
