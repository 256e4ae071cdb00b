#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What training takes: peak memory of `osteon train` and time per step, with and without checkpointing, at rising sizes.

    training_memory_benchmark.py BIN_FOLDER [NAME ...] [--sizes 256,512] [--measure-to SIZE] [--precision fp32]

Each figure is a process of its own that trains with AdamW, one image a step; its peak resident set is read when the second step
is done. The table is Markdown. What would not fit this machine, or is larger than --measure-to, is computed from the two sizes
before it, linearly in the pixels, and marked ~; what was tried and did not fit is marked so.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

import memory

PHYSICAL_MIB = memory.PHYSICAL / 2**20
ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
# name: plugin and parameters as a recipe has them
CASES = {
    "unet resnet34": 'plugin = "unet"\nencoder = "resnet34"',
    "unet efficientnet-b0": 'plugin = "unet"\nencoder = "efficientnet-b0"',
    "unet efficientnet-b7": 'plugin = "unet"\nencoder = "efficientnet-b7"',
    "unet basic": 'plugin = "unet"\nencoder = "basic"',
    "unetplusplus resnet34": 'plugin = "unetplusplus"\nencoder = "resnet34"',
    "unetplusplus efficientnet-b7": 'plugin = "unetplusplus"\nencoder = "efficientnet-b7"',
    "unet3plus": 'plugin = "unet3plus"',
    "deeplabv3plus resnet50": 'plugin = "deeplabv3plus"\nencoder = "resnet50"',
    "segformer b0": 'plugin = "segformer"\nvariant = "b0"',
    "segformer b4": 'plugin = "segformer"\nvariant = "b4"',
    "convnext_upernet tiny": 'plugin = "convnext_upernet"\nvariant = "tiny"',
    "convnext_upernet xlarge": 'plugin = "convnext_upernet"\nvariant = "xlarge"',
}
RECIPE = """recipe = 1
extends = "{root}/configs/base/hand29.toml"
[data]
root = "data"
image_size = {size}
folds = 2
workers = 0
prefetch = 1
[model]
{model}
checkpointing = {checkpointing}
[[loss]]
plugin = "bce"
[[loss]]
plugin = "dice"
[train]
precision = "{precision}"
batch_size = 1
epochs = 3
validate_every = 0
checkpoint_every = 100
"""


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bin_folder")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--sizes", default="256,512", type=lambda text: sorted(int(size) for size in text.split(",")))
    parser.add_argument("--measure-to", type=int, metavar="SIZE", default=1 << 30)
    parser.add_argument("--precision", default="fp32", choices=("fp32", "amp"))
    return parser.parse_args()


def measure(options, folder, name, size, checkpointing):
    """(peak MiB, seconds per step) of one training; None when the machine's memory is not enough."""
    model = CASES[name]
    recipe, run = os.path.join(folder, "recipe.toml"), os.path.join(folder, "run")
    with open(recipe, "w") as file:
        file.write(RECIPE.format(root=ROOT, size=size, model=model, checkpointing=str(checkpointing).lower(),
                                 precision=options.precision))
    metrics = os.path.join(run, "metrics.jsonl")
    command = [os.path.join(options.bin_folder, "osteon"), "train", recipe, "--out", run, "--overwrite"]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, stderr=log, preexec_fn=memory.limit)
        epochs = []
        while not epochs or epochs[-1]["steps"] < 2:
            if process.poll() is not None:
                log.seek(0)
                text = log.read()
                if memory.limit_was_hit(text):
                    if os.path.exists(metrics):
                        os.remove(metrics)
                    return None
                sys.exit(f"{' '.join(command)} ended with {process.returncode}:\n{text}")
            time.sleep(0.02)
            lines = open(metrics).read().split("\n")[:-1] if os.path.exists(metrics) else []
            epochs = [json.loads(line) for line in lines]
        peak = memory.peak_mib(process.pid)  # before the next epoch, whose first step is no other than these
        process.kill()
        process.wait()
    os.remove(metrics)
    return peak, sum(epoch["seconds"] for epoch in epochs) / epochs[-1]["steps"]


def extrapolated(known, size):
    """Linear in the pixels through the last two of [(size, MiB)]."""
    (s0, m0), (s1, m1) = known[-2:]
    return m1 + (m1 - m0) * (size**2 - s1**2) / (s1**2 - s0**2)


def row(options, folder, name, size, known):
    cells, seconds = [], []
    for checkpointing in (False, True):
        history = known[checkpointing]
        guess = extrapolated(history, size) if len(history) > 1 else 0
        if len(history) > 1 and (size > options.measure_to or guess > 0.85 * PHYSICAL_MIB):
            cells.append(f"~{guess:,.0f}")
            seconds.append(None)
            continue
        measured = measure(options, folder, name, size, checkpointing)
        if measured is None:
            cells.append(f"more than {PHYSICAL_MIB:,.0f}")
            seconds.append(None)
            continue
        peak, step = measured
        history.append((size, peak))
        cells.append(f"{peak:,.0f}")
        seconds.append(step)
    steps = [f"{s:.2f}" if s is not None else "" for s in seconds]
    print(f"| {name} | {size} | {cells[0]} | {cells[1]} | {steps[0]} | {steps[1]} |", flush=True)


def main():
    options = arguments()
    chosen = [n for n in CASES if not options.names or any(part in n for part in options.names)]
    if not chosen:
        sys.exit("no case matches; there are: " + ", ".join(CASES))
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([os.path.join(options.bin_folder, "osteon"), "phantom", os.path.join(folder, "data"), "--patients", "2",
                        "--test-patients", "0", "--size", "256", "--seed", "3"], check=True, stderr=subprocess.DEVNULL)
        print("| model | size | MiB | MiB, checkpointing | s a step | s a step, checkpointing |\n|---|---|---|---|---|---|", flush=True)
        for name in chosen:
            known = {False: [], True: []}
            for size in options.sizes:
                row(options, folder, name, size, known)


if __name__ == "__main__":
    main()
