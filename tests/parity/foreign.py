# SPDX-License-Identifier: Apache-2.0
"""What the parity scripts of plugins for networks of other programs share: networks, runs of the program, phantoms."""
import json
import os
import subprocess

from forward import TOLERANCE, nn, np, read_safetensors, recipe, torch, torchvision, write_safetensors

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HAND_CLASSES = 29


class Small(nn.Module):
    """Convolutions, normalisation, dropout, and a way back to the image's size that is computed from it."""

    def __init__(self, channels, classes, stride=1):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(channels, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU(),
                                  nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.dropout = nn.Dropout2d(0.1)
        self.head = nn.Conv2d(8, classes, 1)
        self.stride = stride

    def forward(self, x):
        y = self.head(self.dropout(self.body(x)))
        if self.stride == 1:
            y = nn.functional.interpolate(y, size=x.shape[-2:], mode="bilinear", align_corners=False)
        return y


def deeplab(classes):
    """torchvision's DeepLabV3 over MobileNetV3, with its auxiliary head; weights unlike each other, as if trained."""
    network = torchvision.models.segmentation.deeplabv3_mobilenet_v3_large(
        weights=None, weights_backbone=None, num_classes=classes, aux_loss=True)
    generator = torch.Generator().manual_seed(5)
    for tensor in network.state_dict().values():
        if tensor.is_floating_point():
            tensor.mul_(1 + 0.2 * torch.rand(tensor.shape, generator=generator))
            tensor.add_(0.01 * torch.rand(tensor.shape, generator=generator))
    return network.eval()


def osteon(program, *arguments, status=0):
    """Runs the program; what it printed on stdout and stderr."""
    result = subprocess.run([program, *arguments], capture_output=True, text=True)
    if result.returncode != status:
        raise SystemExit(f"osteon {' '.join(arguments)} ended with {result.returncode}, expected {status}:\n"
                         f"{result.stdout}{result.stderr}")
    return result.stdout, result.stderr


def difference(program, folder, plugin, parameters, channels, network, size, weights=None):
    """Greatest difference of the plugin's logits from the network's, in units of what is allowed."""
    x = torch.rand(size[0], channels, *size[1:])
    with torch.no_grad():
        wanted = network(x)
    wanted = (wanted["out"] if isinstance(wanted, dict) else wanted).numpy()
    source, result = (os.path.join(folder, f"{n}.safetensors") for n in ("x", "y"))
    write_safetensors(source, {"x": x.numpy()})
    arguments = ["--input", source, "--output", result]
    if weights is not None:
        path = os.path.join(folder, "weights.safetensors")
        write_safetensors(path, {k: v.numpy().copy() for k, v in weights.items()})
        arguments += ["--weights", path]
    osteon(program, "model", "forward", recipe(folder, plugin, parameters, channels), *arguments)
    got = read_safetensors(result, "logits")
    allowed = TOLERANCE * float(wanted.max() - wanted.min())
    return float(np.abs(got - wanted).max()) / allowed if got.shape == wanted.shape else float("inf")


def hand_recipe(folder, name, model, train):
    """A recipe on phantom hands of 64 pixels."""
    path = os.path.join(folder, name)
    with open(path, "w") as file:
        file.write(f"""recipe = 1
extends = "{ROOT}/configs/base/hand29.toml"
[data]
root = "phantom"
image_size = 64
folds = 2
channels = 1
[model]
{model}
[[loss]]
plugin = "bce"
[train]
batch_size = 2
{train}
""")
    return path


def phantom(program, folder):
    osteon(program, "phantom", os.path.join(folder, "phantom"), "--patients", "4", "--test-patients", "1", "--size", "96")
    return os.path.join(folder, "phantom", "test", "DCM")


def validate(program, plugin, file, channels, classes):
    """Whether the plugin keeps what the ABI promises with this file."""
    result = subprocess.run([program, "plugins", "validate", plugin, "--set", f"file={file}", "--channels",
                             str(channels), "--classes", str(classes), "--json"], capture_output=True, text=True)
    report = json.loads(result.stdout)
    for check in report["checks"]:
        if check["verdict"] == "fail":
            print(f"FAIL validate {plugin}, {check['name']}: {check['detail']}")
    print(f"{'ok  ' if report['failed'] == 0 else 'FAIL'} validate {plugin}: {report['passed']} passed, "
          f"{report['failed']} failed, {report['skipped']} skipped")
    return report


def said(what, holds):
    print(f"{'ok  ' if holds else 'FAIL'} {what}")
    return holds
