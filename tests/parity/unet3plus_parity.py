#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the unet3plus plugin against a UNet 3+ written here from the paper, with the release's names of weights.

    unet3plus_parity.py OSTEON [all]

OSTEON is the program; `all` for every case. Each case's network has random weights; they are written as safetensors, `osteon model forward`
predicts with them, and the logits must agree. The reference does everything the long way round: levels are resized and
joined whole. Exit status: 0 all agree, 1 not, 77 (skipped) without python3-torch.
"""
import sys

from forward import CLASSES, check, of_tier, randomize, the_program  # first: skips where there is no PyTorch

import torch
from torch import nn

# classification, deep supervision, image channels, batch and image size, filters. Deep supervision and classification
# are the release's other two networks; the sizes take whole images, several bands of rows, and a coarsest level of one
# pixel.
CASES = [
    ("none", False, 3, (1, 96, 128), 64),
    ("none", True, 1, (1, 64, 48), 64),
    ("any", True, 3, (2, 48, 64), 64),
    ("per_class", False, 1, (2, 16, 16), 64),
    ("per_class", True, 3, (2, 304, 1024), 8),
]
LEVELS = range(1, 6)


class Level(nn.Module):
    """Two convolutions of the encoder."""

    def __init__(self, inputs, outputs):
        super().__init__()
        for name, channels in (("conv1", inputs), ("conv2", outputs)):
            setattr(self, name, nn.Sequential(nn.Conv2d(channels, outputs, 3, padding=1), nn.BatchNorm2d(outputs),
                                              nn.ReLU()))

    def forward(self, x):
        return self.conv2(self.conv1(x))


class UNet3Plus(nn.Module):
    """The reference; gives logits at full resolution, the finest first."""

    def __init__(self, inputs=3, classes=CLASSES, filters=64, deep_supervision=False, classification="none"):
        super().__init__()
        self.classification = classification
        widths = [filters * 2**i for i in range(5)]
        for i, width in zip(LEVELS, widths):
            setattr(self, f"conv{i}", Level(widths[i - 2] if i > 1 else inputs, width))
        for node in (4, 3, 2, 1):
            for source in LEVELS:
                layer = nn.Conv2d(widths[source - 1], filters, 3, padding=1)
                setattr(self, self.skip(source, node) + "_conv", layer)
                setattr(self, self.skip(source, node) + "_bn", nn.BatchNorm2d(filters))
            setattr(self, f"conv{node}d_1", nn.Conv2d(5 * filters, 5 * filters, 3, padding=1))
            setattr(self, f"bn{node}d_1", nn.BatchNorm2d(5 * filters))
            widths[node - 1] = 5 * filters
        self.heads = LEVELS if deep_supervision else [1]
        for i in self.heads:
            setattr(self, f"outconv{i}", nn.Conv2d(widths[i - 1], classes, 3, padding=1))
        if classification != "none":
            self.cls = nn.Sequential(nn.Dropout(0.5), nn.Conv2d(widths[4], 2 if classification == "any" else classes, 1),
                                     nn.AdaptiveMaxPool2d(1))

    @staticmethod
    def skip(source, node):
        if source < node:
            return f"h{source}_PT_hd{node}"
        return f"h{source}_Cat_hd{node}" if source == node else f"hd{source}_UT_hd{node}"

    def bring(self, x, source, node):
        if source < node:
            x = nn.MaxPool2d(2 ** (node - source), 2 ** (node - source), ceil_mode=True)(x)
        elif source > node:
            x = nn.Upsample(scale_factor=2 ** (source - node), mode="bilinear")(x)
        name = self.skip(source, node)
        return torch.relu(getattr(self, name + "_bn")(getattr(self, name + "_conv")(x)))

    def outputs(self, x):
        maps = {}
        for i in LEVELS:
            maps[i] = getattr(self, f"conv{i}")(nn.MaxPool2d(2)(maps[i - 1]) if i > 1 else x)
        for node in (4, 3, 2, 1):
            joined = torch.cat([self.bring(maps[source], source, node) for source in LEVELS], dim=1)
            maps[node] = torch.relu(getattr(self, f"bn{node}d_1")(getattr(self, f"conv{node}d_1")(joined)))
        logits = [getattr(self, f"outconv{i}")(maps[i]) for i in self.heads]
        if self.classification != "none":
            scores = self.cls(maps[5])
            presence = scores.softmax(dim=1)[:, 1:] if self.classification == "any" else scores.sigmoid()
            logits = [torch.logit(x.double().sigmoid() * presence.double()).float() for x in logits]
        return logits

    def forward(self, x):
        return self.outputs(x)[0]


def main():
    program = the_program(__doc__)
    agree = []
    for classification, deep_supervision, channels, size, filters in of_tier(CASES):
        torch.manual_seed(7)
        network = randomize(UNet3Plus(channels, CLASSES, filters, deep_supervision, classification))
        parameters = {"classification_guided": classification, "deep_supervision": deep_supervision,
                      "filters": filters}
        agree.append(check(program, "unet3plus", parameters, channels, network, network.state_dict(), size))
    return 0 if all(agree) else 1


if __name__ == "__main__":
    sys.exit(main())
