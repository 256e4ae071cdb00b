#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the segformer plugin against a SegFormer written here from the paper, with Hugging Face's names of weights.

    segformer_parity.py OSTEON [all]

OSTEON is the program; `all` for every case. Each case's network has random weights; they are written as safetensors, `osteon model forward`
predicts with them, and the logits must agree. The reference does everything the long way round: whole attention
matrices, features joined before they are mixed. The first network's weights are written once more in the names and
shapes of every other public implementation. Exit status: 0 all agree, 1 not, 77 (skipped) without python3-torch.
"""
import re
import sys

from forward import CLASSES, check, of_tier, predict, randomize, rename, stack, the_program  # first: skips where there is no PyTorch

import torch
from torch import nn
from torch.nn import functional as F

HEADS, REDUCTIONS = (1, 2, 5, 8), (8, 4, 2, 1)
VARIANTS = {  # channels, blocks, decoder
    "b0": ((32, 64, 160, 256), (2, 2, 2, 2), 256),
    "b1": ((64, 128, 320, 512), (2, 2, 2, 2), 256),
    "b2": ((64, 128, 320, 512), (3, 4, 6, 3), 768),
    "b3": ((64, 128, 320, 512), (3, 4, 18, 3), 768),
    "b4": ((64, 128, 320, 512), (3, 8, 27, 3), 768),
    "b5": ((64, 128, 320, 512), (3, 6, 40, 3), 768),
}
# variant, image channels, batch and image size, parameters. The last two take every branch: a deeper encoder,
# bands and blocks of queries that do not divide, coarse levels of few pixels and of one, another decoder width.
CASES = [
    ("b0", 3, (2, 96, 128), {}),
    ("b1", 1, (1, 64, 64), {}),
    ("b2", 3, (1, 288, 416), {}),
    ("b0", 3, (1, 32, 32), {"decoder_channels": 48}),
]


class SelfAttention(nn.Module):
    def __init__(self, channels, reduction):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(channels, channels) for _ in range(3))
        if reduction > 1:
            self.sr = nn.Conv2d(channels, channels, reduction, stride=reduction)
            self.layer_norm = nn.LayerNorm(channels)


class Attention(nn.Module):
    def __init__(self, channels, heads, reduction):
        super().__init__()
        self.heads, self.reduction = heads, reduction
        self.self = SelfAttention(channels, reduction)
        self.output = nn.Module()
        self.output.dense = nn.Linear(channels, channels)

    def forward(self, x, size):
        inner = self.self
        n, length, channels = x.shape
        keys = x
        if self.reduction > 1:
            image = x.transpose(1, 2).reshape(n, channels, *size)
            keys = inner.layer_norm(inner.sr(image).flatten(2).transpose(1, 2))
        q, k, v = (t.reshape(n, -1, self.heads, channels // self.heads).transpose(1, 2)
                   for t in (inner.query(x), inner.key(keys), inner.value(keys)))
        weights = ((q @ k.transpose(2, 3)) * (channels // self.heads) ** -0.5).softmax(dim=3)
        return self.output.dense((weights @ v).transpose(1, 2).reshape(n, length, channels))


class FeedForward(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.dense1, self.dense2 = nn.Linear(channels, 4 * channels), nn.Linear(4 * channels, channels)
        self.dwconv = nn.Module()
        self.dwconv.dwconv = nn.Conv2d(4 * channels, 4 * channels, 3, padding=1, groups=4 * channels)

    def forward(self, x, size):
        x = self.dense1(x)
        image = x.transpose(1, 2).reshape(x.shape[0], x.shape[2], *size)
        return self.dense2(F.gelu(self.dwconv.dwconv(image).flatten(2).transpose(1, 2)))


class Block(nn.Module):
    def __init__(self, channels, heads, reduction):
        super().__init__()
        self.layer_norm_1, self.layer_norm_2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.attention = Attention(channels, heads, reduction)
        self.mlp = FeedForward(channels)

    def forward(self, x, size):
        x = x + self.attention(self.layer_norm_1(x), size)
        return x + self.mlp(self.layer_norm_2(x), size)


class Encoder(nn.Module):
    def __init__(self, channels, depths, inputs):
        super().__init__()
        self.patch_embeddings, self.block, self.layer_norm = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for i, width in enumerate(channels):
            embedding = nn.Module()
            kernel, stride = (7, 4) if i == 0 else (3, 2)
            embedding.proj = nn.Conv2d(inputs, width, kernel, stride, kernel // 2)
            embedding.layer_norm = nn.LayerNorm(width)
            self.patch_embeddings.append(embedding)
            self.block.append(nn.ModuleList(Block(width, HEADS[i], REDUCTIONS[i]) for _ in range(depths[i])))
            self.layer_norm.append(nn.LayerNorm(width))
            inputs = width

    def forward(self, x):
        features = []
        for embedding, blocks, norm in zip(self.patch_embeddings, self.block, self.layer_norm):
            x = embedding.proj(x)
            size = x.shape[2:]
            tokens = embedding.layer_norm(x.flatten(2).transpose(1, 2))
            for block in blocks:
                tokens = block(tokens, size)
            x = norm(tokens).transpose(1, 2).reshape(x.shape[0], -1, *size).contiguous()
            features.append(x)
        return features


class Segformer(nn.Module):
    """The reference."""

    def __init__(self, variant, inputs=3, classes=CLASSES, decoder=0):
        super().__init__()
        channels, depths, published = VARIANTS[variant]
        width = decoder or published
        self.segformer = nn.Module()
        self.segformer.encoder = Encoder(channels, depths, inputs)
        head = self.decode_head = nn.Module()
        head.linear_c = nn.ModuleList()
        for c in channels:
            head.linear_c.append(nn.Module())
            head.linear_c[-1].proj = nn.Linear(c, width)
        head.linear_fuse = nn.Conv2d(4 * width, width, 1, bias=False)
        head.batch_norm = nn.BatchNorm2d(width)
        head.classifier = nn.Conv2d(width, classes, 1)

    def forward(self, x):
        head = self.decode_head
        features = self.segformer.encoder(x)
        levels = []
        for feature, linear in zip(features, head.linear_c):
            level = linear.proj(feature.flatten(2).transpose(1, 2)).transpose(1, 2)
            level = level.reshape(x.shape[0], -1, *feature.shape[2:])
            levels.append(F.interpolate(level, size=features[0].shape[2:], mode="bilinear", align_corners=False))
        fused = head.linear_fuse(torch.cat(levels[::-1], dim=1))
        return head.classifier(torch.relu(head.batch_norm(fused)))


def reference(variant, channels, parameters):
    torch.manual_seed(7)
    network = randomize(Segformer(variant, channels, decoder=parameters.get("decoder_channels", 0)))
    for module in network.modules():
        if isinstance(module, nn.LayerNorm):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.2)
    for name, parameter in network.named_parameters():
        if "query" in name or "key" in name:
            parameter.data.mul_(4)  # so that attention is not flat
    return network


def plus_one(match):
    return str(int(match[1]) + 1)


# Hugging Face's names of the encoder to those of its authors, which timm and segmentation_models.pytorch have too.
ORIGINAL_ENCODER = [
    (r"^segformer\.encoder\.", ""),
    (r"^patch_embeddings\.(\d)\.proj\.", lambda m: f"patch_embed{plus_one(m)}.proj."),
    (r"^patch_embeddings\.(\d)\.layer_norm\.", lambda m: f"patch_embed{plus_one(m)}.norm."),
    (r"^layer_norm\.(\d)\.", lambda m: f"norm{plus_one(m)}."),
    (r"^block\.(\d)\.", lambda m: f"block{plus_one(m)}."),
    (r"\.layer_norm_([12])\.", r".norm\1."),
    (r"\.attention\.self\.query\.", ".attn.q."),
    (r"\.attention\.self\.key\.(.*)", r".attn.kv.\1@0"),
    (r"\.attention\.self\.value\.(.*)", r".attn.kv.\1@1"),
    (r"\.attention\.self\.sr\.", ".attn.sr."),
    (r"\.attention\.self\.layer_norm\.", ".attn.norm."),
    (r"\.attention\.output\.dense\.", ".attn.proj."),
    (r"\.mlp\.dense([12])\.", r".mlp.fc\1."),
]
ORIGINAL_HEAD = [
    (r"linear_c\.(\d)\.", lambda m: f"linear_c{plus_one(m)}."),
    (r"linear_fuse\.", "linear_fuse.conv."),
    (r"batch_norm\.", "linear_fuse.bn."),
    (r"classifier\.", "linear_pred."),
]
SMP_HEAD = [
    (r"^decode_head\.linear_c\.(\d)\.proj\.", lambda m: f"decoder.mlp_stage.{3 - int(m[1])}.linear."),
    (r"^decode_head\.linear_fuse\.", "decoder.fuse_stage.0."),
    (r"^decode_head\.batch_norm\.", "decoder.fuse_stage.1."),
    (r"^decode_head\.classifier\.", "segmentation_head.0."),
]
MMSEG_ENCODER = [
    (r"^segformer\.encoder\.", "backbone."),
    (r"^backbone\.patch_embeddings\.(\d)\.proj\.", r"backbone.layers.\1.0.projection."),
    (r"^backbone\.patch_embeddings\.(\d)\.layer_norm\.", r"backbone.layers.\1.0.norm."),
    (r"^backbone\.layer_norm\.(\d)\.", r"backbone.layers.\1.2."),
    (r"^backbone\.block\.(\d)\.", r"backbone.layers.\1.1."),
    (r"\.layer_norm_([12])\.", r".norm\1."),
    (r"\.attention\.self\.query\.(.*)", r".attn.attn.in_proj_\1@0"),
    (r"\.attention\.self\.key\.(.*)", r".attn.attn.in_proj_\1@1"),
    (r"\.attention\.self\.value\.(.*)", r".attn.attn.in_proj_\1@2"),
    (r"\.attention\.self\.sr\.", ".attn.sr."),
    (r"\.attention\.self\.layer_norm\.", ".attn.norm."),
    (r"\.attention\.output\.dense\.", ".attn.attn.out_proj."),
    (r"\.mlp\.dense1\.", ".ffn.layers.0."),
    (r"\.mlp\.dwconv\.dwconv\.", ".ffn.layers.1."),
    (r"\.mlp\.dense2\.", ".ffn.layers.4."),
]


def dialects(state):
    """What to call each, and the state in its names. Where an implementation has only the encoder, the head's are HF's."""
    encoder = {name: value for name, value in state.items() if name.startswith("segformer.")}
    head = {name: value for name, value in state.items() if not name.startswith("segformer.")}
    original = stack(rename(encoder, ORIGINAL_ENCODER))
    imagenet = {"head.weight": torch.rand(1000, 256), "head.bias": torch.rand(1000)}
    whole = {f"backbone.{name}": value for name, value in original.items()}
    whole.update(rename(head, ORIGINAL_HEAD))
    whole.update({"decode_head.conv_seg.weight": torch.rand(150, 128, 1, 1), "decode_head.conv_seg.bias": torch.rand(150)})
    smp = {f"encoder.{name}": value for name, value in original.items()}
    smp.update(rename(head, SMP_HEAD))
    mmseg = stack(rename(encoder, MMSEG_ENCODER))
    for name, value in mmseg.items():
        if re.search(r"ffn\.layers\.[04]\.weight", name):
            mmseg[name] = value[:, :, None, None]
    return [
        ("Hugging Face, with a classifier", {**state, "classifier.weight": torch.rand(1000, 256)}),
        ("NVlabs", whole),
        ("NVlabs in DataParallel", {f"module.{name}": value for name, value in whole.items()}),
        ("NVlabs, encoder alone", {**original, **imagenet, **head}),
        ("segmentation_models.pytorch", smp),
        ("mmsegmentation, encoder alone", {**mmseg, **head}),
    ]


def encoders_alone(program, state):
    """Whether files of the encoder alone give what it gives under the model's names, beside a decoder from one seed."""
    x = torch.rand(1, 3, 64, 64)
    encoder = {name: value for name, value in state.items() if name.startswith("segformer.")}
    other_decoder = {"decode_head.convs.0.conv.weight": torch.rand(256, 32, 1, 1)}
    mmseg = next(weights for name, weights in dialects(state) if name.startswith("mmsegmentation"))
    files = [
        ("Hugging Face's SegformerModel", rename(encoder, [(r"^segformer\.", "")]), "read below `segformer.`"),
        ("mmsegmentation, with its own decoder",
         {**{name: v for name, v in mmseg.items() if name.startswith("backbone.")}, **other_decoder},
         "1 tensor of the file not in the model: decode_head.convs.0.conv.weight"),
    ]
    wanted, _ = predict(program, "segformer", {}, 3, encoder, x, strict=False)
    agree = True
    for name, weights, expected in files:
        got, said = predict(program, "segformer", {}, 3, weights, x, strict=False)
        same = (got == wanted).all() and expected in said
        print(f"{'ok  ' if same else 'FAIL'} segformer, {name}: the same logits, and it says: {expected}")
        agree = agree and same
    return agree


def main():
    program = the_program(__doc__)
    agree = []
    variant, channels, size, parameters = CASES[0]
    network = reference(variant, channels, parameters)
    agree.append(encoders_alone(program, network.state_dict()))
    for name, weights in of_tier(dialects(network.state_dict())):
        agree.append(check(program, "segformer", {"variant": variant, **parameters}, channels, network, weights,
                           size, name))
    for variant, channels, size, parameters in of_tier(CASES):
        network = reference(variant, channels, parameters)
        agree.append(check(program, "segformer", {"variant": variant, **parameters}, channels, network,
                           network.state_dict(), size))
    return 0 if all(agree) else 1


if __name__ == "__main__":
    sys.exit(main())
