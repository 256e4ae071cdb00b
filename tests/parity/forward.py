# SPDX-License-Identifier: Apache-2.0
"""What the parity scripts share: safetensors, random networks, and a comparison through `osteon model forward`."""
import json
import os
import re
import struct
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import torch
    import torchvision  # noqa: F401: asked for here, so that every script is skipped the same way
    from torch import nn
except ImportError as missing:
    print(f"SKIPPED: parity with Python was NOT checked: {missing}. "
          "Install python3-torch, python3-torchvision and python3-numpy.", file=sys.stderr)
    sys.exit(77)

CLASSES = 5
LONG = sys.argv[2:] == ["all"]  # the long tier: every case, where the short one is content with the first


def of_tier(cases):
    return cases if LONG else cases[:1]


def the_program(usage):
    """The program that the command line names."""
    if len(sys.argv) < 2 or (len(sys.argv) > 2 and not LONG):
        sys.exit(usage)
    return sys.argv[1]


def rounding(terms, layers):
    """What another order of the same sums may change, as a part of the range: tests/support/rounding.hpp says why."""
    return float(os.environ.get("OSTEON_TEST_MARGIN", 4)) * 2**-24 * (terms * layers) ** 0.5


def rounding_of(network):
    weights = [p for p in network.parameters() if p.dim() > 1]
    return rounding(max(p.numel() // p.shape[0] for p in weights), len(weights))


TOLERANCE = rounding(512 * 9, 40)  # of networks like those of the tests: ResNet-34 and a decoder
NUMPY_NAMES = {"float32": "F32", "int64": "I64"}


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


def randomize(network):
    """Random statistics and scales, so that a wrong epsilon, order or name shows; in inference mode."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.2)
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 1.5)
    return network.eval()


def rename(state, rules):
    """`state` with every (pattern, replacement) of `rules` applied to its names, in order."""
    renamed = {}
    for name, value in state.items():
        for pattern, replacement in rules:
            name = re.sub(pattern, replacement, name)
        renamed[name] = value
    assert len(renamed) == len(state)
    return renamed


def stack(state):
    """Joins tensors called "name@0", "name@1", ... by rows, as "name"."""
    parts = {}
    for name in sorted(state):
        parts.setdefault(name.split("@")[0], []).append(state[name])
    return {name: torch.cat(values) if len(values) > 1 else values[0] for name, values in parts.items()}


def toml(value):
    return json.dumps(value) if not isinstance(value, tuple) else json.dumps(list(value))


def recipe(folder, plugin, parameters, channels, strict=True):
    path = os.path.join(folder, "recipe.toml")
    lines = "\n".join(f"{key} = {toml(value)}" for key, value in parameters.items())
    with open(path, "w") as file:
        file.write(f"""recipe = 1
name = "parity"
[data]
layout = "class_png"
root = "{folder}"
classes = {json.dumps([f"class{i}" for i in range(CLASSES)])}
image_size = 64
channels = {channels}
[model]
plugin = "{plugin}"
strict = {json.dumps(strict)}
{lines}
[[loss]]
plugin = "bce"
[train]
epochs = 1
""")
    return path


class Refused(Exception):
    """The program failed; with what it said."""


def predict(program, plugin, parameters, channels, weights, x, strict=True):
    """The plugin's logits for images `x`, and what the program said. `weights`: a file, or tensors by name."""
    with tempfile.TemporaryDirectory() as folder:
        file, source, result = (os.path.join(folder, f"{n}.safetensors") for n in ("weights", "x", "y"))
        if isinstance(weights, dict):
            write_safetensors(file, {k: v.numpy().copy() for k, v in weights.items()})
        else:
            file = weights
        write_safetensors(source, {"x": x.numpy()})
        done = subprocess.run([program, "model", "forward", recipe(folder, plugin, parameters, channels, strict),
                               "--weights", file, "--input", source, "--output", result],
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise Refused(f"exit status {done.returncode}: {done.stderr}")
        return read_safetensors(result, "logits"), done.stderr


def check(program, plugin, parameters, channels, network, weights, size, note=""):
    """Whether the plugin with `weights` (name to tensor) gives the logits of `network` for random images of `size`."""
    x = torch.rand(size[0], channels, *size[1:])
    with torch.no_grad():
        wanted = network(x).numpy()
    allowed = rounding_of(network) * float(wanted.max() - wanted.min())
    got, _ = predict(program, plugin, parameters, channels, weights, x)
    difference = float(np.abs(got - wanted).max()) if got.shape == wanted.shape else float("inf")
    agree = difference <= allowed
    print(f"{'ok  ' if agree else 'FAIL'} {plugin} {parameters} {list(x.shape)}{note and ', ' + note}: "
          f"greatest difference {difference:.2e}, allowed {allowed:.2e}")
    return agree
