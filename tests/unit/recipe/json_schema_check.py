#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Validates the recipes of this tree with a JSON Schema validator that is not ours, and checks that it refuses mistakes.

    json_schema_check.py OSTEON_PROGRAM SOURCE_FOLDER

Ends with 77 when python3-jsonschema is missing, which ctest shows as a skipped test.
"""
import copy
import json
import pathlib
import subprocess
import sys
import tomllib

try:
    import jsonschema
except ImportError:
    print("SKIPPED: python3-jsonschema is not installed, so nothing was checked against the exported schema")
    sys.exit(77)

# Each changes a recipe that is fine into one that no schema may take.
MUTATIONS = {
    "unknown key at the top": lambda r: r.update(nonsense=1),
    "unknown key of a table": lambda r: r.setdefault("data", {}).update(image_sise=3),
    "another format": lambda r: r.update(recipe=2),
    "no format": lambda r: r.pop("recipe"),
    "text for a number": lambda r: r.setdefault("train", {}).update(epochs="12"),
    "fraction for a whole number": lambda r: r.setdefault("train", {}).update(epochs=1.5),
    "number out of bounds": lambda r: r.setdefault("data", {}).update(folds=1),
    "value that is no choice": lambda r: r.setdefault("train", {}).update(precision="fp8"),
    "list that is too long": lambda r: r.setdefault("data", {}).update(image_size=[64, 64, 64]),
    "unknown model plugin": lambda r: r.update(model={"plugin": "no_such_model"}),
    "unknown parameter of a plugin": lambda r: r.update(model={"plugin": "unet", "no_such_parameter": 1}),
    "number beyond a range": lambda r: r.update(augment=[{"plugin": "random_brightness_contrast", "brightness": 1.5}]),
    "table for an array of tables": lambda r: r.update(loss={"plugin": "bce"}),
    "augmentation of another kind": lambda r: r.update(augment=[{"plugin": "unet"}]),
    "group without steps": lambda r: r.update(augment=[{"group": "one_of"}]),
    "unknown key of a group": lambda r: r.update(augment=[{"group": "one_of", "steps": [], "weight": 1}]),
    "unknown parameter deep in groups": lambda r: r.update(
        augment=[{"group": "one_of", "steps": [{"group": "sequence", "steps": [{"plugin": "rotate", "nonsense": 1}]}]}]),
    "threshold above one": lambda r: r.setdefault("predict", {}).update(thresholds={"a": 2}),
    "mirrored that is no pair": lambda r: r.setdefault("data", {}).update(mirrored=[["a"]]),
    "member without a run": lambda r: r.update(ensemble={"plugin": "soft_voting", "member": [{}]}),
}


def main():
    program, source = sys.argv[1:]
    schema = json.loads(subprocess.run([program, "recipe", "schema", "--json"], check=True, capture_output=True).stdout)
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)
    recipes = sorted(pathlib.Path(source, "configs").rglob("*.toml"))
    failures = [] if recipes else ["there is no recipe under configs/ to check"]
    for path in recipes:
        recipe = tomllib.loads(path.read_text(encoding="utf-8"))
        failures += [f"{path}: {'/'.join(map(str, e.path))}: {e.message}" for e in validator.iter_errors(recipe)]
        for name, mutate in MUTATIONS.items():
            broken = copy.deepcopy(recipe)
            mutate(broken)
            if validator.is_valid(broken):
                failures.append(f"{path}: accepted with '{name}'")
    print("\n".join(failures) or f"{len(recipes)} recipes accepted, {len(MUTATIONS)} mistakes refused in each")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
