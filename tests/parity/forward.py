# SPDX-License-Identifier: Apache-2.0
"""What the parity scripts share: safetensors, random networks, and a comparison through `osteon model forward`."""
import json
import os
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
TOLERANCE = 1e-4  # of the logits' range
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


def toml(value):
    return json.dumps(value) if not isinstance(value, tuple) else json.dumps(list(value))


def recipe(folder, plugin, parameters, channels):
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
strict = true
{lines}
[[loss]]
plugin = "bce"
[train]
epochs = 1
""")
    return path


def check(program, plugin, parameters, channels, network, weights, size):
    """Whether the plugin with `weights` (name to tensor) gives the logits of `network` for random images of `size`."""
    x = torch.rand(size[0], channels, *size[1:])
    with torch.no_grad():
        wanted = network(x).numpy()
    allowed = TOLERANCE * float(wanted.max() - wanted.min())
    with tempfile.TemporaryDirectory() as folder:
        file, source, result = (os.path.join(folder, f"{n}.safetensors") for n in ("weights", "x", "y"))
        write_safetensors(file, {k: v.numpy().copy() for k, v in weights.items()})
        write_safetensors(source, {"x": x.numpy()})
        subprocess.run([program, "model", "forward", recipe(folder, plugin, parameters, channels), "--weights", file,
                        "--input", source, "--output", result], check=True, stdout=subprocess.DEVNULL)
        got = read_safetensors(result, "logits")
    difference = float(np.abs(got - wanted).max()) if got.shape == wanted.shape else float("inf")
    agree = difference <= allowed
    print(f"{'ok  ' if agree else 'FAIL'} {plugin} {parameters} {list(x.shape)}: greatest difference {difference:.2e}, "
          f"allowed {allowed:.2e}")
    return agree
