#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Inference of the model plugins against the same networks in Python, turn by turn in one run, with the same weights, BLAS and
threads.

    models_benchmark.py BIN_FOLDER [NAME ...] [--size 512] [--rounds 7] [--threads 2] [--peak SIZE] [--bare]

BIN_FOLDER has `osteon` and `model_runner`. A case runs when its name contains a NAME; without names all run. For each:
the best of Python's eager, eager channels-last and optimize_for_inference over ours (`ratio`: above 1 ours is faster), and what
the host adds to the model's own time. Medians over the rounds.

--peak SIZE  what one forward at SIZE x SIZE adds to the resident set, ours and Python's eager, each in a process of its own
--bare       also what a user gets who changes nothing: Debian's reference BLAS on one thread, Python's eager. Not a comparison
             of like with like; it says what the BLAS is worth.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import memory

HERE = os.path.dirname(os.path.abspath(__file__))
REFERENCE_BLAS = "/usr/lib/x86_64-linux-gnu/blas"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bin_folder")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--peak", type=int, metavar="SIZE")
    parser.add_argument("--bare", action="store_true")
    parser.add_argument("--eager-alone", metavar="NAME", help=argparse.SUPPRESS)
    return parser.parse_args()


def same_environment(options):
    """Threads and BLAS as the program sets them, for both sides; libraries read them as they load."""
    if os.environ.get("OSTEON_BENCHMARK_READY"):
        return
    doctor = json.loads(subprocess.run([os.path.join(options.bin_folder, "osteon"), "doctor", "--json"], check=True,
                                       capture_output=True, text=True).stdout)
    core_type = find(doctor, "openblas_coretype") or find(doctor, "core_type")
    os.environ.update(OSTEON_BENCHMARK_READY="1", OMP_NUM_THREADS=str(options.threads), OMP_WAIT_POLICY="passive")
    if core_type:
        os.environ["OPENBLAS_CORETYPE"] = core_type
    os.execv(sys.executable, [sys.executable] + sys.argv)


def find(tree, key):
    if isinstance(tree, dict):
        return tree.get(key) or next(filter(None, (find(value, key) for value in tree.values())), None)
    return None


OPTIONS = arguments()
same_environment(OPTIONS)
sys.path.insert(0, os.path.join(HERE, "..", "parity"))
import forward  # noqa: E402: skips where there is no PyTorch

forward.CLASSES = 29  # before the references take it over
import torch  # noqa: E402

import convnext_parity  # noqa: E402
import deeplabv3plus_parity  # noqa: E402
import segformer_parity  # noqa: E402
import unet3plus_parity  # noqa: E402
import unet_parity  # noqa: E402
import unetplusplus_parity  # noqa: E402
from encoders import calibrate  # noqa: E402


def same_names(state):
    return state


def over_encoders(plugin, network, encoders):
    return {f"{plugin}_{name}": (plugin, {"encoder": name}, lambda name=name: network(name, 3), same_names) for name in encoders}


# name: plugin, parameters, the reference, its names of weights to the plugin's
CASES = {
    **over_encoders("unet", unet_parity.UNet,
                    ("resnet18", "resnet34", "resnet50", "resnet101", "efficientnet-b0", "efficientnet-b7", "basic")),
    **over_encoders("unetplusplus", unetplusplus_parity.UNetPlusPlus,
                    ("resnet18", "resnet34", "resnet50", "efficientnet-b0", "efficientnet-b7")),
    "unetplusplus_basic": ("unetplusplus", {"encoder": "basic", "decoder_channels": (512, 256, 128, 64), "upsampling": "bilinear"},
                           lambda: unetplusplus_parity.UNetPlusPlus("basic", 3, (512, 256, 128, 64), "bilinear"), same_names),
    "unet3plus": ("unet3plus", {}, lambda: unet3plus_parity.UNet3Plus(3), same_names),
    **over_encoders("deeplabv3plus", deeplabv3plus_parity.DeepLabV3Plus,
                    ("resnet18", "resnet34", "resnet50", "resnet101", "efficientnet-b0", "efficientnet-b7")),
    "deeplabv3plus_resnet50_stride8": ("deeplabv3plus", {"encoder": "resnet50", "output_stride": 8},
                                       lambda: deeplabv3plus_parity.DeepLabV3Plus("resnet50", 3, 8), same_names),
    **{f"segformer_{name}": ("segformer", {"variant": name}, lambda name=name: segformer_parity.Segformer(name), same_names)
       for name in ("b0", "b1", "b2", "b3", "b4", "b5")},
    **{f"convnext_upernet_{name}": ("convnext_upernet", {"variant": name},
                                    lambda name=name: convnext_parity.ConvNextUperNet(name), convnext_parity.public_names)
       for name in ("tiny", "small", "base", "large")},  # torchvision has no xlarge
    "torchscript_unet_resnet34": ("torchscript", {}, lambda: unet_parity.UNet("resnet34", 3), same_names),
}


def reference(name):
    torch.manual_seed(7)
    return calibrate(forward.randomize(CASES[name][2]()), 3)


class Ours:
    """The plugin in the host, in a process of its own that waits for its turn."""

    def __init__(self, name, network, size):
        plugin, parameters, _, rename = CASES[name]
        self.folder = tempfile.TemporaryDirectory()
        if plugin == "torchscript":
            parameters = {"file": os.path.join(self.folder.name, "archive.pt")}
            torch.jit.trace(network, torch.rand(1, 3, size, size)).save(parameters["file"])
        weights = os.path.join(self.folder.name, "weights.safetensors")
        state = {k: v.numpy().copy() for k, v in rename(network.state_dict()).items()}
        forward.write_safetensors(weights, state)
        recipe = forward.recipe(self.folder.name, plugin, parameters, 3)
        text = open(recipe).read().replace("image_size = 64", f"image_size = {size}")
        with open(recipe, "w") as file:
            file.write(text)
        bin_folder = os.path.abspath(OPTIONS.bin_folder)
        plugins = os.path.join(bin_folder, "..", "lib")
        plugins = next(os.path.join(root, "plugins") for root, folders, _ in os.walk(plugins)
                       if "plugins" in folders and root.endswith("osteon"))
        self.process = subprocess.Popen([os.path.join(bin_folder, "model_runner"), recipe, weights, str(size), plugins,
                                         os.path.join(bin_folder, "osteon")], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        if self.process.stdout.readline().strip() != "ready":
            sys.exit(f"{name}: model_runner did not start")

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.folder.cleanup()


def timed(work):
    start = time.perf_counter()
    with torch.no_grad():
        work()
    return 1000 * (time.perf_counter() - start)


def python_ways(network, x):
    last = x.contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        graph = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(network, x)))
    return {"eager": lambda: network(x), "channels-last": lambda: network(last), "optimized graph": lambda: graph(x)}


def compare(name):
    network = reference(name)
    ours = Ours(name, network, OPTIONS.size)
    ways = python_ways(network, torch.rand(1, 3, OPTIONS.size, OPTIONS.size))
    for _ in range(12):  # a plan is measured in the first forwards
        ours.ask("infer")
    for work in ways.values():
        timed(work), timed(work), timed(work)
    times = {way: [] for way in ("infer", "predict", *ways)}
    for _ in range(OPTIONS.rounds):
        for way in times:
            times[way].append(timed(ways[way]) if way in ways else float(ours.ask(way)))
    median = {way: statistics.median(t) for way, t in times.items()}
    best = min(ways, key=median.get)
    host = statistics.median(p - i for p, i in zip(times["predict"], times["infer"]))
    print(f"{name:30} {median['infer']:8.1f} ms   ratio {median[best] / median['infer']:5.2f}   against {best}: "
          + ", ".join(f"{way} {median[way]:.1f}" for way in ways)
          + f"   host adds {host:.2f} ms ({100 * host / median['infer']:.2f} %)   {ours.ask('plan').split('; ')[-1]}", flush=True)
    ours.close()
    if OPTIONS.bare:
        bare(name, median["infer"])


def alone(name, size, **environment):
    """Python's eager in a process of its own: {"ms", "peak", "base"}; None when the machine's memory is not enough."""
    command = [sys.executable, os.path.abspath(__file__), OPTIONS.bin_folder, "--eager-alone", name, "--size", str(size)]
    result = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True,
                            preexec_fn=memory.limit)
    if result.returncode != 0 and memory.limit_was_hit(result.stderr):
        return None
    if result.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {result.returncode}:\n{result.stderr}")
    return json.loads(result.stdout)


def bare(name, own):
    if not os.path.isdir(REFERENCE_BLAS):
        print(f"{'':30} no reference BLAS in {REFERENCE_BLAS}: what a bare installation takes was NOT measured")
        return
    eager = alone(name, OPTIONS.size, LD_LIBRARY_PATH=REFERENCE_BLAS, OMP_NUM_THREADS="1")
    if not eager:
        print(f"{'':30} what a bare installation takes was NOT measured: it does not fit this machine's memory")
        return
    ms = eager["ms"]
    print(f"{'':30} {ms:8.1f} ms   in Python with the reference BLAS on one thread, untuned: {ms / own:.1f} times ours", flush=True)


def peak(name):
    network = reference(name)
    ours = Ours(name, network, OPTIONS.peak)
    base = float(ours.ask("forget_peak"))
    ours.ask("infer")
    grown = float(ours.ask("peak")) - base
    ours.close()
    eager = alone(name, OPTIONS.peak)
    theirs = f"{eager['peak'] - eager['base']:.0f} MiB" if eager else f"does not fit {memory.PHYSICAL / 2**30:.0f} GiB"
    print(f"{name:30} a forward at {OPTIONS.peak} x {OPTIONS.peak} adds {grown:.0f} MiB; Python's eager {theirs}", flush=True)


def run_eager_alone(name):
    network = reference(name)
    x = torch.rand(1, 3, OPTIONS.size, OPTIONS.size)
    memory.forget_peak()
    base = memory.peak_mib()
    ms = timed(lambda: network(x))
    print(json.dumps({"ms": ms, "base": base, "peak": memory.peak_mib()}))


def main():
    if OPTIONS.eager_alone:
        return run_eager_alone(OPTIONS.eager_alone)
    chosen = [n for n in CASES if not OPTIONS.names or any(part in n for part in OPTIONS.names)]
    if not chosen:
        sys.exit("no case matches; there are: " + ", ".join(CASES))
    print(f"{'peak memory' if OPTIONS.peak else f'[1, 3, {OPTIONS.size}, {OPTIONS.size}]'}, {OPTIONS.threads} threads, 29 classes, "
          f"PyTorch {torch.__version__}, OPENBLAS_CORETYPE={os.environ.get('OPENBLAS_CORETYPE', 'not set')}", flush=True)
    for name in chosen:
        peak(name) if OPTIONS.peak else compare(name)


if __name__ == "__main__":
    main()
