#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Holds `osteon weights` against the files that PyTorch writes.

    pth_parity.py OSTEON

OSTEON is the program. State dicts and checkpoints of many kinds are saved by torch.save, in both of its formats; `weights
inspect` must list exactly their tensors, and `weights convert` must write exactly their bytes. Files that hold more than
weights must be refused with a text that says why, and nothing of them may be run. Exit status: 0 all agree, 1 not, 77
(skipped) without python3-torch and python3-torchvision.
"""
import argparse
import collections
import ctypes
import datetime
import functools
import json
import os
import pathlib
import random
import struct
import subprocess
import sys
import tempfile

from forward import np, the_program  # first: skips where there is no PyTorch

import torch
import torchvision
from torch import nn

DTYPES = {torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64",
          torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
          torch.complex64: "C64"}


def raw(tensor):
    tensor = tensor.detach().contiguous()
    return ctypes.string_at(tensor.data_ptr(), tensor.numel() * tensor.element_size()) if tensor.numel() else b""


def read_safetensors(path):
    with open(path, "rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
        data = file.read()
    metadata = header.pop("__metadata__", {})
    return metadata, {name: (e["dtype"], e["shape"], data[slice(*e["data_offsets"])]) for name, e in header.items()}


def run(program, *arguments):
    return subprocess.run([program, "weights", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def small_network():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 5, 1, bias=False))


def trained():
    """A network and its optimizer, after a step."""
    network = small_network()
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.rand(2, 3, 8, 8)).sum().backward()
    optimizer.step()
    return network, optimizer


def readable():
    """Name, what is saved, the tensors that must be found, the key for `--key` and the key that must be reported."""
    network, optimizer = trained()
    state = network.state_dict()
    other = small_network().state_dict()
    base = torch.arange(120, dtype=torch.float32).reshape(2, 3, 4, 5)
    resnet = torchvision.models.resnet18().state_dict()
    yield "resnet18", resnet, resnet, "", ""
    yield "state dict", state, state, "", ""
    yield "plain dict", dict(state), state, "", ""
    yield "parameters", dict(network.named_parameters()), dict(network.named_parameters()), "", ""
    every = {str(d): torch.tensor([0, 1, 1, 0]).to(d) for d in DTYPES}
    every["fractions"] = (torch.rand(7, 5) * 1e3).half()
    every["brain"] = torch.rand(7, 5).bfloat16()
    yield "every dtype", every, every, "", ""
    views = {"transposed": base[0, 0].t(), "permuted": base.permute(3, 1, 0, 2), "rows": base[:, 1:], "steps": base[..., ::2],
             "channels last": base.contiguous(memory_format=torch.channels_last), "expanded": base[0, 0, :1].expand(6, 5),
             "one": base[1, 2, 3, 4], "tail": base.flatten()[100:], "scalar": torch.tensor(3), "empty": torch.empty(0, 3),
             "ones": base[:1, :1, :1, :1].permute(3, 2, 1, 0)}
    yield "views", views, views, "", ""
    weight = torch.rand(4, 4)
    shared = {"tied": weight, "again": weight, "part": weight[1:3], "flipped": weight.t()}
    yield "shared storages", shared, shared, "", ""
    tagged = nn.Parameter(torch.rand(3))
    tagged.note = "kept by Python alone"
    buffer = torch.rand(3)
    buffer.note = "likewise"
    yield "attributes", {"p": tagged, "b": buffer}, {"p": tagged, "b": buffer}, "", ""
    names = {"layer.\u00e4": weight, 'quoted "name"': weight, "": weight, "n" * 5000: weight}
    yield "strange names", names, names, "", ""
    checkpoint = {"epoch": 7, "state_dict": state, "model_ema": other, "optimizer": optimizer.state_dict(), "best": 0.5,
                  "args": argparse.Namespace(lr=0.1, root="/data"), "score": np.float64(0.25), "curve": np.zeros(3),
                  "best_so_far": torch.tensor(0.5), "big": 2 ** 100, "shape": base.shape, "kind": torch.float16,
                  "counts": collections.defaultdict(int, {"a": 1}), "flags": [True, None, -5, (1, 2), {1.5: "x"}]}
    yield "checkpoint", checkpoint, state, "", "state_dict"
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [10, 20])
    one_cycle = torch.optim.lr_scheduler.OneCycleLR(torch.optim.SGD(network.parameters(), 0.1), 0.1, total_steps=10)
    cyclic = []
    cyclic.append((cyclic,))
    longer = []
    longer.append((longer, 1, 2, 3))
    beside = {"model": state, "scheduler": scheduler.state_dict(), "one_cycle": one_cycle.state_dict(), "cyclic": cyclic,
              "longer": longer, "counter": collections.Counter("abca"), "deque": collections.deque([1]), "set": {1, 2},
              "date": datetime.datetime(2024, 1, 1), "path": pathlib.PureWindowsPath("C:/x"), "bytes": b"abc",
              "quantized": torch.quantize_per_tensor(torch.rand(3), 0.1, 0, torch.qint8), "sparse": torch.eye(3).to_sparse(),
              "random": random.getstate(), "class": nn.Conv2d, "slice": slice(1, 2), "huge": -2 ** 3000,
              "hparams": Attributes(lr=0.1, best=torch.tensor(0.5)), "whole": network, "attack": Attack(os.devnull)}
    yield "anything beside", beside, state, "", "model"
    yield "a dict of another class", {"model": Attributes(state)}, state, "", "model"
    yield "averages by key", checkpoint, other, "model_ema", "model_ema"
    yield "unusual key", {"mine": state, "epoch": 1}, state, "", "mine"
    for protocol in (3, 4, 5):
        yield f"protocol {protocol}", functools.partial(save_as, protocol, checkpoint), state, "", "state_dict"
        yield f"anything beside in protocol {protocol}", functools.partial(save_as, protocol, beside), state, "", "model"
    yield "state dicts in a list", {"models": [state, other]}, other, "models.1", "models.1"
    yield "nested", {"model": {"state_dict": state}, "epoch": 1}, state, "", "model.state_dict"
    yield "two by key", {"student": state, "teacher": other}, other, "teacher", "teacher"
    yield "extra state", dict(state, _extra_state=None, version=3), state, "", ""
    yield "many", {f"t{i}": torch.tensor([i]) for i in range(3000)}, {f"t{i}": torch.tensor([i]) for i in range(3000)}, "", ""


def save_as(protocol, saved, path, legacy):
    torch.save(saved, path, pickle_protocol=protocol, _use_new_zipfile_serialization=not legacy)


class Attributes(dict):
    """A dict that nobody else knows, as Lightning, yacs and EasyDict have them."""


class Attack:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def refused(folder):
    """Name, what is saved (a callable that writes where that is not torch.save), and a part of the text of the refusal."""
    network, optimizer = trained()
    trace = os.path.join(folder, "attacked")
    yield "whole model", network, "torch.save(model.state_dict()"
    yield "torchvision model", torchvision.models.resnet18(), "torchvision.models.resnet.ResNet"
    yield "model in a dict", {"model": network}, "torch.nn.modules.container.Sequential"
    yield "optimizer", optimizer.state_dict(), "no state dict"
    yield "tensor", torch.rand(3), "it holds a tensor"
    yield "list", [torch.rand(3)], "it holds a list of 1"
    yield "two dicts", {"a": network.state_dict(), "b": small_network().state_dict()}, "--key"
    yield "complex128", {"w": torch.rand(3).to(torch.complex128)}, "complex128"
    yield "quantized", {"w": torch.quantize_per_tensor(torch.rand(3), 0.1, 0, torch.qint8)}, "_rebuild_qtensor"
    yield "sparse", {"w": torch.eye(3).to_sparse()}, "_rebuild_sparse_tensor"
    yield "repetition", {"w": torch.ones(1).expand(10 ** 9)}, "16 times the size of the file"
    yield "attack", {"x": Attack(trace)}, ".system"
    yield "attack alone", Attack(trace), ".system"
    yield "TorchScript", lambda path, legacy: torch.jit.save(torch.jit.script(small_network()), path), "TorchScript"


def differences(program, path, wanted, key, reported):
    """What does not agree, in words."""
    choice = ["--key", key] if key else []
    inspected = run(program, "inspect", path, "--json", *choice)
    if inspected.returncode != 0:
        return [inspected.stdout.strip()]
    listing = json.loads(inspected.stdout)
    found = [(t["name"], t["dtype"], t["shape"]) for t in listing["tensors"]]
    problems = []
    if found != [(name, DTYPES[t.dtype], list(t.shape)) for name, t in wanted.items()]:
        problems.append(f"other tensors were listed: {found}")
    if listing["key"] != reported:
        problems.append(f"the key {listing['key']!r} was reported")
    if listing["elements"] != sum(t.numel() for t in wanted.values()):
        problems.append(f"{listing['elements']} elements were counted")
    out = path + ".safetensors"
    converted = run(program, "convert", path, out, "--overwrite", *choice)
    if converted.returncode != 0:
        return problems + [converted.stderr.strip()]
    metadata, tensors = read_safetensors(out)
    if metadata != {"format": "pt"}:
        problems.append(f"the metadata is {metadata}")
    if tensors.keys() != wanted.keys():
        problems.append("other tensors were written")
    problems += [f"{name} differs" for name, t in wanted.items()
                 if tensors.get(name) != (DTYPES[t.dtype], list(t.shape), raw(t))]
    return problems


def save(saved, path, legacy):
    if callable(saved) and not isinstance(saved, nn.Module):
        saved(path, legacy)
    else:
        torch.save(saved, path, _use_new_zipfile_serialization=not legacy)


def check_readable(program, folder, legacy):
    agree = True
    for name, saved, wanted, key, reported in readable():
        path = os.path.join(folder, "weights.pth")
        save(saved, path, legacy)
        problems = differences(program, path, wanted, key, reported)
        print(f"{'FAIL' if problems else 'ok  '} {name}{', legacy' if legacy else ''}: "
              f"{'; '.join(problems) or f'{len(wanted)} tensors'}")
        agree = agree and not problems
    return agree


def check_refused(program, folder, legacy):
    agree = True
    for name, saved, part in refused(folder):
        path = os.path.join(folder, "refused.pth")
        save(saved, path, legacy)
        outcome = run(program, "inspect", path, "--json")
        try:
            error = json.loads(outcome.stdout)["error"]
        except (ValueError, KeyError):
            error = {"message": outcome.stdout + outcome.stderr, "where": ""}
        good = (outcome.returncode == 3 and part in error["message"] and error["where"].startswith(path)
                and not os.path.exists(os.path.join(folder, "attacked")))
        print(f"{'ok  ' if good else 'FAIL'} refused: {name}{', legacy' if legacy else ''}: {error['message'][:110]}")
        agree = agree and good
    return agree


def main():
    program = the_program(__doc__)
    torch.manual_seed(7)
    with tempfile.TemporaryDirectory() as folder:
        results = [check(program, folder, legacy) for check in (check_readable, check_refused) for legacy in (False, True)]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
