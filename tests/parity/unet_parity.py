#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the unet plugin against a U-Net that Python builds over the encoders of encoders.py.

    unet_parity.py OSTEON [all]

OSTEON is the program; `all` for every case. For each encoder and input a network with random weights and random running statistics is built
here, its weights are written as safetensors under the names of public checkpoints, `osteon model forward` predicts with
them, and the logits must agree. (That the compiled paths agree with the plain one is the plugin's own test.) Exit status:
0 all agree, 1 not, 77 (skipped) without python3-torch and python3-torchvision.
"""
import sys

from forward import CLASSES, of_tier, the_program  # first: skips where there is no PyTorch

import torch
from torch import nn
from torch.nn import functional as F

from encoders import check_over_encoders, encoder

# encoder, image channels, batch and image size, parameters. Padding on strides differs among the EfficientNets: on an
# even side of their own resolution's grid it is uneven, on an odd one it is not. b0 has even sides alone, b1 and b2
# both.
CASES = [
    ("resnet34", 3, (2, 96, 128), {}),
    ("resnet18", 1, (1, 64, 64), {"decoder_channels": (64, 48, 32, 24, 16)}),
    ("resnet50", 3, (1, 64, 96), {"decoder_channels": (128, 64, 32, 16, 8), "upsampling": "transposed"}),
    ("efficientnet-b0", 3, (2, 96, 64), {}),
    ("efficientnet-b1", 1, (1, 160, 96), {}),
    ("efficientnet-b2", 3, (1, 224, 32), {"upsampling": "bilinear", "head_kernel": 5}),
    ("efficientnet-b7", 3, (1, 64, 64), {}),
    ("basic", 1, (2, 48, 80), {}),
    ("basic", 3, (1, 80, 48), {"upsampling": "bilinear", "decoder_channels": (96, 64, 48, 32)}),
    ("basic", 3, (1, 16, 64), {"upsampling": "transposed", "head_kernel": 1}),
]


def conv_norm_relu(inputs, outputs):
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())


class Block(nn.Module):
    def __init__(self, inputs, skip, outputs, upsampling):
        super().__init__()
        self.upsampling = upsampling
        if upsampling == "transposed":
            self.up = nn.ConvTranspose2d(inputs, outputs, 2, stride=2)
            inputs = outputs
        self.conv1 = conv_norm_relu(inputs + skip, outputs)
        self.conv2 = conv_norm_relu(outputs, outputs)

    def forward(self, x, skip):
        if self.upsampling == "transposed":
            x = self.up(x)
        elif self.upsampling == "bilinear":
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
        else:
            x = F.interpolate(x, scale_factor=2, mode="nearest")
        return self.conv2(self.conv1(x if skip is None else torch.cat([x, skip], dim=1)))


class UNet(nn.Module):
    """The reference."""

    def __init__(self, name, inputs, decoder_channels=None, upsampling="nearest", head_kernel=3):
        super().__init__()
        self.encoder = encoder(name, inputs)
        features = self.encoder.channels
        self.joins_finest = name == "basic"
        widths = decoder_channels or ((512, 256, 128, 64) if name == "basic" else (256, 128, 64, 32, 16))
        skips = [*features[-2:0:-1], features[0] if self.joins_finest else 0]
        self.decoder = nn.Module()
        self.decoder.blocks = nn.ModuleList(Block(i, s, o, upsampling)
                                            for i, s, o in zip((features[-1], *widths), skips, widths))
        self.segmentation_head = nn.Sequential(
            nn.Conv2d(widths[-1], CLASSES, head_kernel, padding=head_kernel // 2))

    def forward(self, x):
        features = self.encoder(x)
        skips = features[-2:0:-1] + [features[0] if self.joins_finest else None]
        y = features[-1]
        for block, skip in zip(self.decoder.blocks, skips):
            y = block(y, skip)
        return self.segmentation_head(y)


def main():
    program = the_program(__doc__)
    return check_over_encoders(program, "unet", UNet, of_tier(CASES))


if __name__ == "__main__":
    sys.exit(main())
