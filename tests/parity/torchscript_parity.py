#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the torchscript plugin against the Python that wrote its archives.

    torchscript_parity.py OSTEON

Scripted and traced networks, one of them torchvision's with its auxiliary head, must give the same logits through
`osteon model forward`, with the archive's own weights and with a state dict loaded by name. One is trained further by
`osteon train`; its run must predict after the archive is gone. `osteon plugins validate` must find nothing. Exit status:
0 all is so, 1 not, 77 (skipped) without python3-torch and python3-torchvision.
"""
import os
import shutil
import sys
import tempfile

from forward import CLASSES, randomize, read_safetensors, recipe, the_program, torch
from foreign import HAND_CLASSES, Small, deeplab, difference, hand_recipe, osteon, phantom, said, validate


def check_logits(program, folder):
    torch.manual_seed(7)
    small, strided, large = randomize(Small(1, CLASSES)), randomize(Small(3, CLASSES, stride=2)), deeplab(CLASSES)
    cases = [  # the frozen one first, for loading a state dict below changes its network and not what was frozen
        ("frozen", torch.jit.freeze(torch.jit.script(small)), small, 1, (1, 64, 64), {}),
        ("scripted", torch.jit.script(small), small, 1, (2, 61, 96), {}),
        ("scripted, logits at half the size", torch.jit.script(strided), strided, 3, (1, 64, 35), {}),
        ("traced", torch.jit.trace(strided, torch.zeros(1, 3, 32, 32)), strided, 3, (2, 48, 64), {}),
        ("torchvision's", torch.jit.script(large), large, 3, (1, 96, 64), {}),
        ("torchvision's, two heads", torch.jit.script(large), large, 3, (1, 64, 64), {"outputs": ["out", "aux"]}),
    ]
    good = True
    for name, script, network, channels, size, parameters in cases:
        path = os.path.join(folder, "network.pt")
        script.save(path)
        parameters = {"file": path, **parameters}
        own = difference(program, folder, "torchscript", parameters, channels, network, size)
        good &= said(f"{name} {list(size)}: {own:.3f} of what is allowed", own <= 1)
        if name == "frozen":
            continue
        other = {k: v * 0.9 if v.is_floating_point() else v for k, v in network.state_dict().items()}
        network.load_state_dict(other)
        loaded = difference(program, folder, "torchscript", parameters, channels, network, size, other)
        good &= said(f"{name} {list(size)}, a state dict loaded by name: {loaded:.3f} of what is allowed", loaded <= 1)
    return good


def check_activation(program, folder):
    """A network with a sigmoid behind it is refused, and with the recipe's word gives the logits of the one without."""
    torch.manual_seed(11)
    network, path = randomize(Small(1, CLASSES)), os.path.join(folder, "probabilities.pt")
    torch.jit.script(torch.nn.Sequential(network, torch.nn.Sigmoid())).save(path)
    apart = difference(program, folder, "torchscript", {"file": path, "activation": "sigmoid"}, 1, network, (1, 64, 96))
    good = said(f"a sigmoid that is undone: {apart:.3f} of what is allowed", apart <= 1)
    source = os.path.join(folder, "x.safetensors")  # that the difference was taken of
    _, errors = osteon(program, "model", "forward", recipe(folder, "torchscript", {"file": path}, 1), "--input", source,
                       "--output", os.path.join(folder, "y.safetensors"), status=2)
    return good & said(f"a sigmoid is refused: {errors.strip()}", 'activation = "sigmoid"' in errors)


def check_training(program, folder):
    torch.manual_seed(3)
    images = phantom(program, folder)
    network = Small(1, HAND_CLASSES)
    archive, run = os.path.join(folder, "small.pt"), os.path.join(folder, "run")
    torch.jit.script(network).save(archive)
    path = hand_recipe(folder, "train.toml", 'plugin = "torchscript"\nfile = "small.pt"',
                       "epochs = 10\n[train.optimizer]\nlr = 1e-2")
    osteon(program, "train", path, "--out", run)
    losses = [float(line.split('"loss":')[1].split(",")[0]) for line in open(os.path.join(run, "metrics.jsonl"))]
    good = said(f"training: loss {losses}", losses[-1] < 0.9 * losses[0])
    before = network.state_dict()
    moved = [name for name, value in before.items() if value.is_floating_point() and not torch.equal(
        value, torch.from_numpy(read_safetensors(os.path.join(run, "model.safetensors"), name).copy()))]
    good &= said(f"training: {len(moved)} tensors changed", len(moved) >= 0.9 * len(before) - 2)

    os.remove(archive)
    elsewhere = os.path.join(folder, "elsewhere")
    shutil.move(run, elsewhere)
    osteon(program, "predict", elsewhere, images, "--out", os.path.join(folder, "masks"))
    osteon(program, "evaluate", elsewhere)
    good &= said("the run predicts elsewhere, without the archive that it was made from", True)
    again = os.path.join(folder, "again")
    osteon(program, "train", os.path.join(elsewhere, "recipe.toml"), "--out", again)
    same = open(os.path.join(again, "model.safetensors"), "rb").read() == open(
        os.path.join(elsewhere, "model.safetensors"), "rb").read()
    return good & said("the run can be repeated from its folder", same)


def main():
    program = the_program(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        good = check_logits(program, folder) & check_activation(program, folder) & check_training(program, folder)
        path = os.path.join(folder, "validated.pt")
        torch.jit.script(randomize(Small(1, 3, stride=2))).save(path)
        report = validate(program, "torchscript", path, 1, 3)
        good &= report["failed"] == 0 and said("most checks had something to look at", report["skipped"] <= 3)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
