#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the deeplabv3plus plugin against a DeepLabV3+ written here from the papers, over the encoders of encoders.py.

    deeplabv3plus_parity.py OSTEON [all]

OSTEON is the program; `all` for every case. Each case's network has random weights; they are written as safetensors under the names of public
checkpoints, `osteon model forward` predicts with them, and the logits, at a quarter of the resolution, must agree. The
reference does everything the long way round. Exit status: 0 all agree, 1 not, 77 (skipped) without python3-torch and
python3-torchvision.
"""
import sys

from forward import CLASSES, of_tier, the_program  # first: skips where there is no PyTorch

import torch
from torch import nn
from torch.nn import functional as F

from encoders import check_over_encoders, dilate, encoder

# encoder, image channels, batch and image size, parameters. Sizes are odd multiples of the output stride; the largest
# image has pixels that every tap of every dilation reaches, the smallest none but the middle one's.
CASES = [
    ("resnet34", 3, (2, 80, 112), {}),
    ("resnet18", 1, (1, 16, 48), {"atrous_rates": (6, 12, 18), "decoder_channels": 64}),
    ("resnet50", 3, (1, 176, 80), {"decoder_channels": 96}),
    ("resnet18", 3, (1, 72, 104), {"output_stride": 8}),
    ("resnet50", 1, (2, 56, 40), {"output_stride": 8, "atrous_rates": (3, 5), "decoder_channels": 48}),
    ("efficientnet-b0", 3, (1, 48, 80), {"decoder_channels": 32}),
    ("efficientnet-b1", 1, (1, 40, 56), {"output_stride": 8, "decoder_channels": 32}),
    ("basic", 3, (1, 48, 16), {"decoder_channels": 32}),
    ("resnet34", 1, (1, 464, 336), {"decoder_channels": 40, "atrous_rates": (2, 5, 9, 12)}),
]


def norm_relu(channels):
    return [nn.BatchNorm2d(channels), nn.ReLU()]


def separable(inputs, outputs, dilation=1):
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, 3, padding=dilation, dilation=dilation, groups=inputs, bias=False),
        nn.Conv2d(inputs, outputs, 1, bias=False))


class Average(nn.Sequential):
    def forward(self, x):
        return F.interpolate(super().forward(x), size=x.shape[2:], mode="bilinear", align_corners=False)


class Pyramid(nn.Module):
    def __init__(self, inputs, outputs, rates):
        super().__init__()
        one = nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), *norm_relu(outputs))
        atrous = [nn.Sequential(separable(inputs, outputs, rate), *norm_relu(outputs)) for rate in rates]
        average = Average(nn.AdaptiveAvgPool2d(1), nn.Conv2d(inputs, outputs, 1, bias=False), *norm_relu(outputs))
        self.convs = nn.ModuleList([one, *atrous, average])
        self.project = nn.Sequential(nn.Conv2d((len(rates) + 2) * outputs, outputs, 1, bias=False),
                                     *norm_relu(outputs), nn.Dropout(0.5))

    def forward(self, x):
        return self.project(torch.cat([conv(x) for conv in self.convs], dim=1))


class Decoder(nn.Module):
    def __init__(self, deep, fine, channels, rates):
        super().__init__()
        self.aspp = nn.Sequential(Pyramid(deep, channels, rates), separable(channels, channels), *norm_relu(channels))
        self.block1 = nn.Sequential(nn.Conv2d(fine, 48, 1, bias=False), *norm_relu(48))
        self.block2 = nn.Sequential(separable(channels + 48, channels), *norm_relu(channels))

    def forward(self, deep, fine):
        coarse = F.interpolate(self.aspp(deep), size=fine.shape[2:], mode="bilinear", align_corners=True)
        return self.block2(torch.cat([coarse, self.block1(fine)], dim=1))


class DeepLabV3Plus(nn.Module):
    def __init__(self, name, inputs, output_stride=16, atrous_rates=(12, 24, 36), decoder_channels=256):
        super().__init__()
        self.encoder = encoder(name, inputs)
        if name != "basic":  # whose greatest stride is 16 as it is
            dilate(self.encoder, output_stride)
        channels = self.encoder.channels
        self.decoder = Decoder(channels[-1], channels[2], decoder_channels, atrous_rates)
        self.segmentation_head = nn.Sequential(nn.Conv2d(decoder_channels, CLASSES, 1))

    def forward(self, x):
        features = self.encoder(x)
        return self.segmentation_head(self.decoder(features[-1], features[2]))


def main():
    program = the_program(__doc__)
    return check_over_encoders(program, "deeplabv3plus", DeepLabV3Plus, of_tier(CASES))


if __name__ == "__main__":
    sys.exit(main())
