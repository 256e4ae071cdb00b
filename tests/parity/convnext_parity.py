#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the convnext_upernet plugin against torchvision's ConvNeXt with a UPerNet written here from the paper.

    convnext_parity.py OSTEON [all]

OSTEON is the program; `all` for every case. Each case's network has random weights; they are written as safetensors under Hugging Face's
names, `osteon model forward` predicts with them, and the logits must agree. The reference does everything the long way
round: levels are resized, joined and convolved on the fine grid. The first network's weights are written once more in
the names and shapes of every other public implementation. Exit status: 0 all agree, 1 not, 77 (skipped) without
python3-torch and python3-torchvision.
"""
import re
import sys

from forward import CLASSES, check, of_tier, randomize, rename, the_program  # first: skips where there is no PyTorch

import torch
import torchvision
from torch import nn
from torch.nn import functional as F

# variant, image channels, batch and image size, parameters. The last two take every branch: several bands, pooling to
# more cells than there are pixels, no auxiliary head, another width of the head.
CASES = [
    ("tiny", 3, (2, 96, 128), {}),
    ("small", 1, (1, 64, 64), {}),
    ("tiny", 3, (1, 352, 224), {"decoder_channels": 144, "auxiliary": 0.0}),
    ("base", 3, (1, 32, 32), {"decoder_channels": 48, "auxiliary_channels": 24}),
]


class ConvNorm(nn.Module):
    def __init__(self, inputs, outputs, kernel):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
        self.batch_norm = nn.BatchNorm2d(outputs)

    def forward(self, x):
        return torch.relu(self.batch_norm(self.conv(x)))


def resize(x, like):
    return F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)


class UperHead(nn.Module):
    def __init__(self, channels, width, classes):
        super().__init__()
        self.psp_modules = nn.ModuleList(nn.Sequential(nn.AdaptiveAvgPool2d(side), ConvNorm(channels[-1], width, 1))
                                         for side in (1, 2, 3, 6))
        self.bottleneck = ConvNorm(channels[-1] + 4 * width, width, 3)
        self.lateral_convs = nn.ModuleList(ConvNorm(c, width, 1) for c in channels[:-1])
        self.fpn_convs = nn.ModuleList(ConvNorm(width, width, 3) for _ in channels[:-1])
        self.fpn_bottleneck = ConvNorm(4 * width, width, 3)
        self.classifier = nn.Conv2d(width, classes, 1)

    def forward(self, features):
        deepest = features[-1]
        pooled = [resize(module(deepest), deepest) for module in self.psp_modules]
        levels = [lateral(f) for lateral, f in zip(self.lateral_convs, features)]
        levels.append(self.bottleneck(torch.cat([deepest] + pooled, dim=1)))
        for i in (3, 2, 1):
            levels[i - 1] = levels[i - 1] + resize(levels[i], levels[i - 1])
        levels[:3] = [conv(level) for conv, level in zip(self.fpn_convs, levels)]
        return self.classifier(self.fpn_bottleneck(torch.cat([resize(level, levels[0]) for level in levels], dim=1)))


class ConvNextUperNet(nn.Module):
    """The reference, with torchvision's own ConvNeXt as it comes."""

    def __init__(self, variant, inputs=3, classes=CLASSES, width=512, auxiliary_channels=256, auxiliary=0.4):
        super().__init__()
        self.features = getattr(torchvision.models, f"convnext_{variant}")().features
        stem = self.features[0][0]
        if inputs != 3:
            self.features[0][0] = stem = nn.Conv2d(inputs, stem.out_channels, 4, stride=4)
        channels = [stem.out_channels << i for i in range(4)]
        self.norms = nn.ModuleList(nn.LayerNorm(c, eps=1e-6) for c in channels)
        self.decode_head = UperHead(channels, width, classes)
        if auxiliary > 0:
            self.auxiliary_head = nn.Module()
            self.auxiliary_head.convs = nn.ModuleList([ConvNorm(channels[2], auxiliary_channels, 3)])
            self.auxiliary_head.classifier = nn.Conv2d(auxiliary_channels, classes, 1)

    def forward(self, x):
        features = []
        for i, layer in enumerate(self.features):
            x = layer(x)
            if i % 2:
                norm = self.norms[i // 2]
                features.append(norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2).contiguous())
        return self.decode_head(features)


def public_names(state):
    """torchvision's names of the encoder to Hugging Face's."""
    inner = {"0": "dwconv", "2": "layernorm", "3": "pwconv1", "5": "pwconv2"}
    renamed = {}
    for name, value in state.items():
        if match := re.fullmatch(r"features\.0\.([01])\.(.*)", name):
            name = f"backbone.embeddings.{('patch_embeddings', 'layernorm')[int(match[1])]}.{match[2]}"
        elif match := re.fullmatch(r"features\.([246])\.([01])\.(.*)", name):
            name = f"backbone.encoder.stages.{int(match[1]) // 2}.downsampling_layer.{match[2]}.{match[3]}"
        elif match := re.fullmatch(r"features\.([1357])\.(\d+)\.block\.(\d)\.(.*)", name):
            name = f"backbone.encoder.stages.{int(match[1]) // 2}.layers.{match[2]}.{inner[match[3]]}.{match[4]}"
        elif match := re.fullmatch(r"features\.([1357])\.(\d+)\.layer_scale", name):
            name = f"backbone.encoder.stages.{int(match[1]) // 2}.layers.{match[2]}.layer_scale_parameter"
            value = value.flatten()
        elif match := re.fullmatch(r"norms\.(\d)\.(.*)", name):
            name = f"backbone.hidden_states_norms.stage{int(match[1]) + 1}.{match[2]}"
        renamed[name] = value
    return renamed


def reference(variant, channels, parameters):
    torch.manual_seed(7)
    options = {"decoder_channels": "width"}
    network = ConvNextUperNet(variant, channels, **{options.get(k, k): v for k, v in parameters.items()})
    for name, parameter in network.named_parameters():
        if "layer_scale" in name:  # 1e-6 would hide the blocks
            nn.init.uniform_(parameter, 0.2, 1)
    for module in network.modules():
        if isinstance(module, nn.LayerNorm):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.2)
    return randomize(network)


STAGE = r"^backbone\.encoder\.stages\.(\d)\."
# Hugging Face's names of the encoder to those of its authors.
ORIGINAL = [
    (r"^backbone\.embeddings\.patch_embeddings\.", "downsample_layers.0.0."),
    (r"^backbone\.embeddings\.layernorm\.", "downsample_layers.0.1."),
    (STAGE + r"downsampling_layer\.", r"downsample_layers.\1."),
    (STAGE + r"layers\.", r"stages.\1."),
    (r"\.layernorm\.", ".norm."),
    (r"\.layer_scale_parameter$", ".gamma"),
]
MMLAB = ORIGINAL + [(r"\.dwconv\.", ".depthwise_conv."), (r"\.pwconv([12])\.", r".pointwise_conv\1.")]
TIMM = [
    (r"^backbone\.embeddings\.patch_embeddings\.", "stem.0."),
    (r"^backbone\.embeddings\.layernorm\.", "stem.1."),
    (STAGE + r"downsampling_layer\.", r"stages.\1.downsample."),
    (STAGE + r"layers\.", r"stages.\1.blocks."),
    (r"\.dwconv\.", ".conv_dw."),
    (r"\.layernorm\.", ".norm."),
    (r"\.pwconv([12])\.", r".mlp.fc\1."),
    (r"\.layer_scale_parameter$", ".gamma"),
]
MMLAB_HEADS = [
    (r"^backbone\.hidden_states_norms\.stage(\d)\.", lambda m: f"backbone.norm{int(m[1]) - 1}."),
    (r"\.batch_norm\.", ".bn."),
    (r"\.classifier\.", ".conv_seg."),
]
INTERMEDIATE = [
    (r"^backbone\.(embeddings|encoder)\.", r"backbone.convnext.\1."),
    (r"^backbone\.hidden_states_norms\.stage(\d)\.", lambda m: f"backbone.hidden_states_norms.{int(m[1]) - 1}."),
]


def dialects(torchvision_state, state):
    """What to call each, and the state in its names. Where an implementation has only the encoder, the rest are HF's."""
    encoder = {n: v for n, v in state.items() if n.startswith(("backbone.embeddings.", "backbone.encoder."))}
    rest = {n: v for n, v in state.items() if n not in encoder}
    heads = rename(rest, MMLAB_HEADS)
    classifier = {"head.weight": torch.rand(1000, 768), "head.bias": torch.rand(1000)}
    last_norm = {"norm.weight": torch.rand(768), "norm.bias": torch.rand(768)}
    timm = rename(encoder, TIMM)
    convolutions = {n: v[:, :, None, None] if ".mlp." in n and v.dim() == 2 else v for n, v in timm.items()}
    timm_head = {f"head.{n}": torch.rand(768) for n in ("norm.weight", "norm.bias", "fc.bias")}
    mine = {n: v for n, v in torchvision_state.items() if n.startswith("features.")}
    mine.update({"classifier.0.weight": torch.rand(768), "classifier.2.weight": torch.rand(1000, 768)})
    whole = lambda rules: {f"backbone.{n}": v for n, v in rename(encoder, rules).items()}
    return [
        ("the authors', encoder alone", {**rename(encoder, ORIGINAL), **last_norm, **classifier, **rest}),
        ("the authors', whole", {**whole(ORIGINAL), **heads}),
        ("OpenMMLab", {**whole(MMLAB), **heads}),
        ("OpenMMLab in a checkpoint", {f"state_dict.{n}": v for n, v in {**whole(MMLAB), **heads}.items()}),
        ("OpenMMLab, encoder alone", {**rename(encoder, MMLAB), **rest}),
        ("timm", {**timm, **timm_head, **rest}),
        ("timm, conv_mlp", {**convolutions, **timm_head, **rest}),
        ("torchvision", {**mine, **rest}),
        ("Hugging Face, an intermediate version", rename(state, INTERMEDIATE)),
        ("Hugging Face, a classifier", {**rename(encoder, [("^backbone", "convnext")]), **rest,
                                        "convnext.layernorm.weight": torch.rand(768),
                                        "classifier.weight": torch.rand(1000, 768)}),
    ]


def main():
    program = the_program(__doc__)
    agree = []
    variant, channels, size, parameters = CASES[0]
    network = reference(variant, channels, parameters)
    for name, weights in of_tier(dialects(network.state_dict(), public_names(network.state_dict()))):
        agree.append(check(program, "convnext_upernet", {"variant": variant, **parameters}, channels, network,
                           weights, size, name))
    for variant, channels, size, parameters in of_tier(CASES):
        network = reference(variant, channels, parameters)
        agree.append(check(program, "convnext_upernet", {"variant": variant, **parameters}, channels, network,
                           public_names(network.state_dict()), size))
    return 0 if all(agree) else 1


if __name__ == "__main__":
    sys.exit(main())
