#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the unetplusplus plugin against networks written here from the paper, over the encoders of encoders.py.

    unetplusplus_parity.py OSTEON [all]

OSTEON is the program; `all` for every case. Each case's network has random weights; they are written as safetensors under the names of public
checkpoints, `osteon model forward` predicts with them, and the logits must agree. Nodes are called as in the paper:
X[i, j] in row i from the finest and column j from the encoder. Exit status: 0 all agree, 1 not, 77 (skipped) without
python3-torch and python3-torchvision.
"""
import sys

from forward import CLASSES, of_tier, the_program  # first: skips where there is no PyTorch

import torch
from torch import nn
from torch.nn import functional as F

from encoders import check_over_encoders, encoder

# encoder, image channels, batch and image size, parameters. Sizes are odd multiples of what the encoder asks for.
CASES = [
    ("resnet34", 3, (2, 96, 160), {}),
    ("resnet18", 1, (1, 32, 96), {"decoder_channels": (48, 40, 32, 24, 16), "upsampling": "bilinear"}),
    ("resnet50", 3, (1, 96, 32), {"decoder_channels": (64, 48, 32, 24, 16)}),
    ("efficientnet-b0", 3, (1, 32, 96), {"decoder_channels": (64, 48, 32, 24, 16)}),
    ("basic", 1, (1, 80, 48), {"decoder_channels": (512, 256, 128, 64), "upsampling": "bilinear"}),
    ("basic", 3, (2, 16, 48), {"decoder_channels": (40, 32, 24, 16), "deep_supervision": True}),
]


def conv_norm_relu(inputs, outputs):
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())


class Node(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv1 = conv_norm_relu(inputs, outputs)
        self.conv2 = conv_norm_relu(outputs, outputs)

    def forward(self, x):
        return self.conv2(self.conv1(x))


def public_name(i, j):
    """X[i, j] lies at level 3 - i from the coarsest and is the j-th there."""
    return f"x_{4 - i - j}_{3 - i}"


class UNetPlusPlus(nn.Module):
    def __init__(self, name, inputs, decoder_channels=(256, 128, 64, 32, 16), upsampling="nearest",
                 deep_supervision=False):
        super().__init__()
        self.encoder = encoder(name, inputs)
        self.skipped = 0 if name == "basic" else 1  # the image itself is not joined
        self.upsampling = upsampling
        width = {(i, 0): c for i, c in enumerate(self.encoder.channels[self.skipped:])}
        self.decoder = nn.Module()
        self.decoder.blocks = nn.ModuleDict()
        for j in range(1, 5):
            for i in range(5 - j):
                # The last node of each row is as wide as the recipe says, the others as the encoder.
                width[i, j] = decoder_channels[3 - i] if i + j == 4 else width[i, 0]
                joined = width[i + 1, j - 1] + sum(width[i, k] for k in range(j))
                self.decoder.blocks[public_name(i, j)] = Node(joined, width[i, j])
        self.to_full_resolution = len(decoder_channels) == 5
        if self.to_full_resolution:
            self.decoder.blocks["x_0_4"] = Node(width[0, 4], decoder_channels[4])
        self.segmentation_head = nn.Sequential(nn.Conv2d(decoder_channels[-1], CLASSES, 3, padding=1))
        if deep_supervision:  # unused in inference, and part of the weights
            self.auxiliary_heads = nn.ModuleDict(
                {f"x_{4 - j}_3": nn.Conv2d(width[0, j], CLASSES, 1) for j in (1, 2, 3)})

    def up(self, x):
        corners = True if self.upsampling == "bilinear" else None
        return F.interpolate(x, scale_factor=2, mode=self.upsampling, align_corners=corners)

    def forward(self, x):
        maps = {(i, 0): f for i, f in enumerate(self.encoder(x)[self.skipped:])}
        for j in range(1, 5):
            for i in range(5 - j):
                row = [maps[i, k] for k in range(j - 1, -1, -1)]  # public checkpoints join the newest first
                joined = torch.cat([self.up(maps[i + 1, j - 1])] + row, dim=1)
                maps[i, j] = self.decoder.blocks[public_name(i, j)](joined)
        if self.to_full_resolution:
            return self.segmentation_head(self.decoder.blocks["x_0_4"](self.up(maps[0, 4])))
        return self.segmentation_head(maps[0, 4])


def main():
    program = the_program(__doc__)
    return check_over_encoders(program, "unetplusplus", UNetPlusPlus, of_tier(CASES))


if __name__ == "__main__":
    sys.exit(main())
