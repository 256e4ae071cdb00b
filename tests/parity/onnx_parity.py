#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the onnx plugin against the Python that exported its networks.

    onnx_parity.py OSTEON

Networks that torch.onnx exports with free and with fixed sizes, one of them torchvision's, must give the same logits
through `osteon model forward`, and those with a sigmoid behind them too, once the recipe says it. `osteon train` must refuse to train one, and make a run of it when `train.epochs` is 0,
which predicts after the file is gone. `osteon plugins validate` must find nothing. Exit status: 0 all is so, 1 not, 77
(skipped) without python3-torch and python3-torchvision, or without the plugin.
"""
import json
import os
import sys
import tempfile
import warnings

from forward import CLASSES, nn, randomize, recipe, the_program, torch
from foreign import HAND_CLASSES, Small, deeplab, difference, hand_recipe, osteon, phantom, said, validate

FREE = {"image": {0: "n", 2: "h", 3: "w"}}


class OutOnly(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return self.network(x)["out"]


def export(network, path, channels, size, free):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(network.eval(), torch.zeros(1, channels, *size), path, opset_version=13, input_names=["image"],
                          output_names=["logits"], dynamic_axes=FREE if free else None)


def check_logits(program, folder):
    torch.manual_seed(7)
    small, strided, large = randomize(Small(1, CLASSES)), randomize(Small(3, CLASSES, stride=2)), deeplab(CLASSES)
    cases = [
        ("free sizes", small, 1, (32, 32), True, (2, 61, 96)),
        ("free sizes, logits at half the size", strided, 3, (32, 32), True, (1, 64, 35)),
        ("fixed size", small, 1, (48, 80), False, (2, 48, 80)),
        ("torchvision's, free sizes", OutOnly(large), 3, (64, 64), True, (1, 96, 64)),
        ("torchvision's, fixed size", OutOnly(large), 3, (64, 96), False, (1, 64, 96)),
    ]
    good = True
    for name, network, channels, exported, free, size in cases:
        path = os.path.join(folder, "network.onnx")
        export(network, path, channels, exported, free)
        apart = difference(program, folder, "onnx", {"file": path}, channels, network, size)
        good &= said(f"{name} {list(size)}: {apart:.3f} of what is allowed", apart <= 1)
    return good


def check_activation(program, folder):
    """A network with a sigmoid behind it is refused, and with the recipe's word gives the logits of the one without."""
    torch.manual_seed(11)
    network, path = randomize(Small(1, CLASSES)), os.path.join(folder, "probabilities.onnx")
    export(nn.Sequential(network, nn.Sigmoid()), path, 1, (32, 32), True)
    apart = difference(program, folder, "onnx", {"file": path, "activation": "sigmoid"}, 1, network, (1, 64, 96))
    good = said(f"a sigmoid that is undone: {apart:.3f} of what is allowed", apart <= 1)
    source = os.path.join(folder, "x.safetensors")  # that the difference was taken of
    _, errors = osteon(program, "model", "forward", recipe(folder, "onnx", {"file": path}, 1), "--input", source,
                       "--output", os.path.join(folder, "y.safetensors"), status=2)
    return good & said(f"a sigmoid is refused: {errors.strip()}", 'activation = "sigmoid"' in errors)


def check_run(program, folder):
    images = phantom(program, folder)
    file, run = os.path.join(folder, "hand.onnx"), os.path.join(folder, "run")
    export(Small(1, HAND_CLASSES), file, 1, (64, 64), True)
    model = 'plugin = "onnx"\nfile = "hand.onnx"'
    _, errors = osteon(program, "train", hand_recipe(folder, "train.toml", model, "epochs = 2"), "--out", run, status=2)
    good = said(f"training is refused: {errors.strip()}", "cannot be trained" in errors and "TorchScript" in errors)
    osteon(program, "train", hand_recipe(folder, "keep.toml", model, "epochs = 0"), "--out", run, "--overwrite")
    os.remove(file)
    osteon(program, "predict", run, images, "--out", os.path.join(folder, "masks"))
    osteon(program, "evaluate", run)
    return good & said("a run without training predicts, without the file that it was made from", True)


def main():
    program = the_program(__doc__)
    if not any(row["name"] == "onnx" for row in json.loads(osteon(program, "plugins", "list", "--json")[0])):
        print("SKIPPED: parity of the onnx plugin was NOT checked: it was not built, for want of OpenCV's module dnn",
              file=sys.stderr)
        return 77
    with tempfile.TemporaryDirectory() as folder:
        good = check_logits(program, folder) & check_activation(program, folder) & check_run(program, folder)
        path = os.path.join(folder, "validated.onnx")
        export(randomize(Small(1, 3, stride=2)), path, 1, (32, 32), True)
        report = validate(program, "onnx", path, 1, 3)
        good &= report["failed"] == 0
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
