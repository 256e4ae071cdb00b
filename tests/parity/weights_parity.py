#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Holds how weights are loaded against what Python does with the same files, by the `unet` plugin.

    weights_parity.py OSTEON [all]

OSTEON is the program; `all` for every case. Encoders of torchvision, as safetensors and as torch.save writes them, must give the logits that
the same encoder gives under the plugin's own names, bit by bit (the decoder is drawn from the same seed); a stem for RGB
must become what Python makes of it; what does not fit must be said. Exit status: 0 all agree, 1 not, 77 (skipped)
without python3-torch and python3-torchvision.
"""
import os
import sys
import tempfile
from collections import OrderedDict

from forward import LONG, TOLERANCE, Refused, of_tier, predict, randomize, the_program  # first: skips where there is no PyTorch

import numpy as np
import torch
import torchvision

SMALL = {"decoder_channels": (32, 16, 16, 8, 8)}
failed = []


def expect(what, holds, detail=""):
    print(f"{'ok  ' if holds else 'FAIL'} {what}{detail and ': ' + detail}")
    if not holds:
        failed.append(what)


def below(prefix, state):
    return {prefix + name: value for name, value in state.items()}


def without(state, *endings):
    return {name: value for name, value in state.items() if not name.endswith(endings)}


def encoders(program, folder):
    torch.manual_seed(1)
    x = torch.rand(1, 3, 64, 64)
    state = randomize(torchvision.models.resnet34()).state_dict()
    own = below("encoder.", without(state, "fc.weight", "fc.bias"))
    parameters = {"encoder": "resnet34", **SMALL}
    wanted, said = predict(program, "unet", parameters, 3, own, x, strict=False)
    expect("the decoder is said to be missing", "of the model not in the file" in said and "decoder." in said)
    fresh, _ = predict(program, "unet", parameters, 3, below("encoder.", without(state, "layer1.0.conv1.weight")), x,
                       strict=False)
    expect("each weight counts", not np.array_equal(fresh, wanted))

    path = lambda name: os.path.join(folder, name)
    torch.save(state, path("zip.pth"))
    torch.save(state, path("legacy.pth"), _use_new_zipfile_serialization=False)
    torch.save({"state_dict": OrderedDict(below("module.", state)), "epoch": 7}, path("checkpoint.pth"))
    wrapped = below("state_dict.module.", state)
    old = without(state, "num_batches_tracked")
    cases = [("torchvision, safetensors", dict(state)), ("torchvision, .pth", path("zip.pth")),
             ("torchvision, .pth before 1.6", path("legacy.pth")), ("a checkpoint of DataParallel", path("checkpoint.pth")),
             ("the same as safetensors", wrapped), ("without counters", old)]
    for name, weights in of_tier(cases):
        got, said = predict(program, "unet", parameters, 3, weights, x, strict=False)
        expect(f"{name}: the logits of the same encoder", np.array_equal(got, wanted))
        expect(f"{name}: its names are read below `encoder.`", "read below `encoder.`" in said)
        expect(f"{name}: the classifier is unexpected", "of the file not in the model:" in said and "fc.bias" in said)

    if not LONG:
        return
    segmentation = torchvision.models.segmentation.fcn_resnet50(weights=None, weights_backbone=None)
    inner = randomize(segmentation).state_dict()
    parameters = {"encoder": "resnet50", **SMALL}
    own = {name.replace("backbone.", "encoder."): v for name, v in inner.items() if name.startswith("backbone.")}
    wanted, _ = predict(program, "unet", parameters, 3, own, x, strict=False)
    got, said = predict(program, "unet", parameters, 3, dict(inner), x, strict=False)
    expect("an encoder inside another network: its logits", np.array_equal(got, wanted))
    expect("... and how it was read", "names below `backbone.` read below `encoder.`" in said)


def stems(program):
    torch.manual_seed(2)
    x = torch.rand(1, 1, 64, 64)
    state = below("encoder.", without(randomize(torchvision.models.resnet18()).state_dict(), "fc.weight", "fc.bias"))
    stem = state["encoder.conv1.weight"]
    parameters = {"encoder": "resnet18", **SMALL}
    for way, adapted in (("sum", stem.sum(1, keepdim=True)), ("mean", stem.mean(1, keepdim=True))):
        wanted, _ = predict(program, "unet", parameters, 1, {**state, "encoder.conv1.weight": adapted}, x, strict=False)
        got, said = predict(program, "unet", {**parameters, "stem": way}, 1, state, x, strict=False)
        difference = float(np.abs(got - wanted).max())
        allowed = TOLERANCE * float(wanted.max() - wanted.min())
        expect(f"stem = {way}: Python's logits", difference <= allowed, f"greatest difference {difference:.2e}")
        expect(f"stem = {way} is said", f"encoder.conv1.weight for 1 channel is the {way} over RGB" in said)
    _, said = predict(program, "unet", parameters, 1, state, x, strict=False)
    expect("without it the stem is misshapen, and what to do is said",
           "encoder.conv1.weight (file F32 [64, 3, 7, 7], model F32 [64, 1, 7, 7])" in said and 'model.stem = "sum"' in said)


def strictness(program):
    x = torch.rand(1, 3, 64, 64)
    state = dict(torchvision.models.resnet18().state_dict())
    try:
        predict(program, "unet", {"encoder": "resnet18", **SMALL}, 3, state, x)
        said = "nothing"
    except Refused as refused:
        said = str(refused)
    expect("an encoder alone is refused when strict", said.startswith("exit status 3:") and "decoder." in said)


def main():
    program = the_program(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        encoders(program, folder)
    stems(program)
    strictness(program)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
