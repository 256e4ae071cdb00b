#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the unet plugin against a U-Net that Python builds from torchvision's encoder.

    unet_parity.py OSTEON

OSTEON is the program. For each encoder and input a network with random weights and random running statistics is built
here, its weights are written as safetensors under the names of public checkpoints, `osteon model forward` predicts with
them, and the logits must agree. (That the compiled paths agree with the plain one is the plugin's own test.) Exit status:
0 all agree, 1 not, 77 (skipped) without python3-torch and python3-torchvision.
"""
import json
import os
import struct
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import torch
    import torchvision
    from torch import nn
except ImportError as missing:
    print(f"SKIPPED: parity with Python was NOT checked: {missing}. "
          "Install python3-torch, python3-torchvision and python3-numpy.", file=sys.stderr)
    sys.exit(77)

CLASSES = 5
TOLERANCE = 1e-4  # of the logits' range
# encoder, decoder channels, image channels, batch and image size
CASES = [
    ("resnet34", (256, 128, 64, 32, 16), 3, (2, 96, 128)),
    ("resnet18", (64, 48, 32, 24, 16), 1, (1, 64, 64)),
    ("resnet50", (128, 64, 32, 16, 8), 3, (1, 64, 96)),
]
NUMPY_NAMES = {"float32": "F32", "int64": "I64"}


def conv_norm_relu(inputs, outputs):
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())


class Block(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv1 = conv_norm_relu(inputs, outputs)
        self.conv2 = conv_norm_relu(outputs, outputs)

    def forward(self, x, skip):
        x = nn.functional.interpolate(x, scale_factor=2, mode="nearest")
        return self.conv2(self.conv1(x if skip is None else torch.cat([x, skip], dim=1)))


class UNet(nn.Module):
    """The reference, with torchvision's own ResNet as it comes."""

    def __init__(self, encoder, decoder, channels):
        super().__init__()
        self.encoder = getattr(torchvision.models, encoder)()
        self.encoder.fc = nn.Identity()
        if channels != 3:
            self.encoder.conv1 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
        deep = 4 if encoder == "resnet50" else 1
        skips = [256 * deep, 128 * deep, 64 * deep, 64, 0]
        inputs = [512 * deep] + list(decoder[:-1])
        self.decoder = nn.Module()
        self.decoder.blocks = nn.ModuleList(Block(i + s, o) for i, s, o in zip(inputs, skips, decoder))
        self.segmentation_head = nn.Sequential(nn.Conv2d(decoder[-1], CLASSES, 3, padding=1))

    def forward(self, x):
        e = self.encoder
        features = [e.relu(e.bn1(e.conv1(x)))]
        y = e.maxpool(features[0])
        for layer in (e.layer1, e.layer2, e.layer3, e.layer4):
            y = layer(y)
            features.append(y)
        for block, skip in zip(self.decoder.blocks, features[-2::-1] + [None]):
            y = block(y, skip)
        return self.segmentation_head(y)


def write_safetensors(path, tensors):
    header, blobs, offset = {}, [], 0
    for name in sorted(tensors, key=lambda n: (-tensors[n].dtype.itemsize, n)):
        array = tensors[name]
        blob = array.tobytes()
        header[name] = {"dtype": NUMPY_NAMES[str(array.dtype)], "shape": list(array.shape),
                        "data_offsets": [offset, offset + len(blob)]}
        blobs.append(blob)
        offset += len(blob)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def read_safetensors(path, name):
    with open(path, "rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        entry = json.loads(file.read(size))[name]
        data = file.read()
    begin, end = entry["data_offsets"]
    assert entry["dtype"] == "F32", entry
    return np.frombuffer(data[begin:end], dtype="<f4").reshape(entry["shape"])


def make_reference(encoder, decoder, channels):
    torch.manual_seed(7)
    network = UNet(encoder, decoder, channels)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.2)
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 1.5)
    return network.eval()


def recipe(folder, encoder, decoder, channels):
    path = os.path.join(folder, "recipe.toml")
    with open(path, "w") as file:
        file.write(f"""recipe = 1
name = "unet-parity"
[data]
layout = "class_png"
root = "{folder}"
classes = {json.dumps([f"class{i}" for i in range(CLASSES)])}
image_size = 64
channels = {channels}
[model]
plugin = "unet"
encoder = "{encoder}"
decoder_channels = {list(decoder)}
strict = true
[[loss]]
plugin = "bce"
[train]
epochs = 1
""")
    return path


def check(program, encoder, decoder, channels, shape):
    network = make_reference(encoder, decoder, channels)
    x = torch.rand(shape[0], channels, *shape[1:])
    with torch.no_grad():
        wanted = network(x).numpy()
    allowed = TOLERANCE * float(wanted.max() - wanted.min())
    with tempfile.TemporaryDirectory() as folder:
        weights, source, result = (os.path.join(folder, f"{n}.safetensors") for n in ("weights", "x", "y"))
        write_safetensors(weights, {k: v.numpy().copy() for k, v in network.state_dict().items()})
        write_safetensors(source, {"x": x.numpy()})
        subprocess.run([program, "model", "forward", recipe(folder, encoder, decoder, channels), "--weights", weights,
                        "--input", source, "--output", result], check=True, stdout=subprocess.DEVNULL)
        got = read_safetensors(result, "logits")
    difference = float(np.abs(got - wanted).max()) if got.shape == wanted.shape else float("inf")
    agree = difference <= allowed
    print(f"{'ok  ' if agree else 'FAIL'} {encoder} {list(x.shape)}: greatest difference {difference:.2e}, "
          f"allowed {allowed:.2e}")
    return agree


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    return 0 if all([check(sys.argv[1], *case) for case in CASES]) else 1


if __name__ == "__main__":
    sys.exit(main())
