#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the reference of every plugin as Markdown, from what `osteon plugins describe` says. Usage: plugins_page.py OSTEON"""
import json
import subprocess
import sys

KINDS = {"model": "Models", "loss": "Losses", "augmentation": "Augmentations", "postprocessor": "Post-processors",
         "ensembler": "Ensemblers"}


def ask(*arguments):
    return json.loads(subprocess.run([sys.argv[1], "plugins", *arguments, "--json"], check=True, text=True,
                                     stdout=subprocess.PIPE).stdout)


def cell(text):
    return str(text).replace("|", "\\|").replace("\n", " ")


def takes(parameter):
    kind = parameter["type"]
    if parameter.get("one_number"):
        kind += f", or x for {parameter['one_number']}"
    return f"list of {kind}" if parameter.get("list") else kind


def names(parameter):
    return " or ".join(f"`{name}`" for name in [parameter["name"], *parameter.get("aliases", [])])


def bounds(parameter):
    if parameter.get("choices"):
        return ", ".join(f"`{choice}`" for choice in parameter["choices"])
    low, high = parameter.get("min"), parameter.get("max")
    if low is not None and high is not None:
        return f"{low:g} to {high:g}"
    return f"at least {low:g}" if low is not None else f"at most {high:g}" if high is not None else ""


def default(parameter):
    return "required" if "default" not in parameter or parameter["default"] is None else f"`{json.dumps(parameter['default'])}`"


def section(description):
    lines = [f"### `{description['name']}`", "", description["doc"], ""]
    if description.get("reference"):
        lines += [f"Follows {description['reference']}.", ""]
    if not description["parameters"]:
        return lines + ["It has no parameters.", ""]
    lines += ["| parameter | type | default | bounds | unit | meaning |", "| --- | --- | --- | --- | --- | --- |"]
    for p in description["parameters"]:
        lines.append("| " + " | ".join(cell(x) for x in (names(p), takes(p), default(p), bounds(p),
                                                         p.get("unit") or "", p["doc"])) + " |")
    return lines + [""]


def main():
    lines = ["# Plugins", "", "What comes with Osteon, from the plugins' own schemas: `osteon plugins describe NAME` says the same.", ""]
    listings = [listing for listing in ask("list") if listing["status"] == "ok"]
    for kind, title in KINDS.items():
        names = sorted(listing["name"] for listing in listings if listing["kind"] == kind)
        if names:
            lines += [f"## {title}", ""]
        for name in names:
            lines += section(ask("describe", name))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
