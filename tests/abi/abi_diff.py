#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares the compiled ABI of two sets of headers: layouts by libabigail's abidiff, constants by printing them.

    abi_diff.py OLD_INCLUDE NEW_INCLUDE [--self-test]

Exit 0: a plugin built with the old headers works in a host built with the new ones. 1: it does not, with what changed.
77: abidiff is not installed. --self-test changes copies of the new headers in ways that must and must not be found.
"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

def read(include):
    return {p.name: p.read_text() for p in sorted((include / "osteon" / "abi").glob("*.h"))}


def compile_library(include, structs, out):
    """A library whose debug information holds these structs, one function for each."""
    source = out.with_suffix(".c")
    lines = ["#include <osteon/abi/all.h>"]
    for name in structs:
        lines.append(f"void uses_{name}(struct {name}* x); void uses_{name}(struct {name}* x) {{ (void)x; }}")
    # Function types are reached through the tables of functions; the entry is a type of its own.
    lines.append("void uses_entry(__typeof__(&osteon_get_plugin) x); "
                 "void uses_entry(__typeof__(&osteon_get_plugin) x) { (void)x; }")
    source.write_text("\n".join(lines) + "\n")
    subprocess.run(["cc", "-std=gnu11", "-g", "-O0", "-fPIC", "-shared", f"-I{include}", source, "-o", out], check=True)


def structs_of(headers):
    # Those that are defined, not only named.
    return sorted({m for text in headers.values() for m in re.findall(r"^(?:typedef )?struct (osteon_\w+) \{", text, re.M)})


def constants_of(include, headers, work):
    """{name: value} of enumerators and of macros that are numbers or strings."""
    names = set()
    for text in headers.values():
        text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
        for body in re.findall(r"enum \w*\s*\{(.*?)\}", text, re.S):
            names |= set(re.findall(r"\b(OSTEON_\w+)\b\s*(?=[=,]|$)", body.strip(), re.M))
        names |= set(re.findall(r"^#define (OSTEON_\w+) +[^\s\\]", text, re.M))
    names = {n for n in names if n not in ("OSTEON_EXPORT", "OSTEON_EXTERN_C")}
    source = work / "constants.c"
    rows = "".join(f'  SHOW({name})\n' for name in sorted(names))
    source.write_text("#include <stdio.h>\n#include <osteon/abi/all.h>\n"
                      "#define SHOW(x) printf(_Generic((x), char*: \"%s\\t%s\\n\", const char*: \"%s\\t%s\\n\", "
                      "default: \"%s\\t%lld\\n\"), #x, x);\n"
                      "int main(void) {\n" + rows + "  return 0;\n}\n")
    program = work / "constants"
    subprocess.run(["cc", "-std=gnu11", "-w", f"-I{include}", source, "-o", program], check=True)
    shown = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    return dict(line.split("\t", 1) for line in shown.splitlines())


# What others embed by value, as version.h says.
NEVER_GROW = {"osteon_tensor_view", "osteon_device", "osteon_dtype", "osteon_tensor", "osteon_random_key"}


def beyond_appending(report):
    """The lines of a report of abidiff, but for what a struct with `struct_size` may do: grow at its end."""
    kept, size = [], 0
    for line in report.splitlines():
        begun = re.match(r"'struct (\w+)' changed:$", line)
        if begun and begun[1] in NEVER_GROW:
            kept.append(line)
        grown = re.match(r" *type size changed from (\d+) to (\d+) \(in bits\)$", line)
        inserted = re.match(r" *'.*', at offset (\d+) \(in bits\)$", line)
        if grown and int(grown[2]) > int(grown[1]):
            size = int(grown[1])
        elif inserted and int(inserted[1]) >= size > 0:
            pass
        elif line.strip() and not re.match(
                r"(Leaf changes|Changed leaf types|Removed/Changed/Added|'struct \w+' changed:$"
                r"| *\d+ data member insertions?:$| *\d+ impacted interfaces?:?)", line):
            kept.append(line)
    return kept


def differences(old, new):
    """What breaks a plugin built with `old` in a host built with `new`; an empty text when nothing does."""
    old_headers, new_headers = read(old), read(new)
    found = []
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        structs = structs_of(old_headers)
        gone = [s for s in structs if s not in structs_of(new_headers)]
        if gone:
            return "structs are gone: " + ", ".join(gone)
        compile_library(old, structs, work / "old.so")
        compile_library(new, structs, work / "new.so")
        result = subprocess.run(["abidiff", "--no-show-locs", "--leaf-changes-only", work / "old.so",
                                 work / "new.so"], capture_output=True, text=True)
        if result.returncode != 0:
            found += beyond_appending(result.stdout + result.stderr)
        before, after = constants_of(old, old_headers, work), constants_of(new, new_headers, work)
        for name, value in before.items():
            if name in ("OSTEON_ABI_MINOR", "OSTEON_ABI_VERSION"):
                continue
            if after.get(name) != value:
                found.append(f"{name} was {value} and is {after.get(name, 'gone')}")
    return "\n".join(found)


# (header, what is replaced, by what, whether it breaks plugins)
CHANGES = [
    ("model.h", "  int64_t in_channels;", "  int32_t in_channels;", True),
    ("loss.h", "  int64_t n_classes;\n  const char* const* class_names;",
     "  const char* const* class_names;\n  int64_t n_classes;", True),
    ("loss.h", "typedef struct osteon_loss_request {\n  uint32_t struct_size;",
     "typedef struct osteon_loss_request {\n  uint32_t struct_size;\n  uint32_t added;", True),
    ("version.h", "OSTEON_UNSUPPORTED = 2,", "OSTEON_UNSUPPORTED = 12,", True),
    ("augmentation.h", "OSTEON_WARP_IGNORE_OUTSIDE = 1u << 0", "OSTEON_WARP_IGNORE_OUTSIDE = 1u << 1", True),
    ("augmentation.h", "void (*destroy)(osteon_augmentation* augmentation);",
     "void (*destroy)(osteon_augmentation* augmentation, int32_t how);", True),
    ("predictor.h", 'RESAMPLE "osteon.resample/1"', 'RESAMPLE "osteon.resample/2"', True),
    ("augmentation.h", "} osteon_random_key;", "  uint64_t appended;\n} osteon_random_key;", True),
    ("tensor.h", "} osteon_tensor;", "  uint64_t appended;\n} osteon_tensor;", True),
    ("loss.h", "} osteon_loss_request;", "  int64_t appended;\n} osteon_loss_request;", False),
    ("version.h", "OSTEON_FAILED = 6", "OSTEON_ADDED = 7, OSTEON_FAILED = 6", False),
    ("version.h", "#define OSTEON_ABI_MINOR 1", "#define OSTEON_ABI_MINOR 2", False),
]


def self_test(include):
    wrong = []
    for header, old, new, breaks in CHANGES:
        with tempfile.TemporaryDirectory() as folder:
            changed = pathlib.Path(folder)
            shutil.copytree(include / "osteon" / "abi", changed / "osteon" / "abi")
            path = changed / "osteon" / "abi" / header
            text = path.read_text()
            if text.count(old) < 1:
                wrong.append(f"{header} has no {old!r}: write this change anew")
                continue
            path.write_text(text.replace(old, new, 1))
            report = differences(include, changed)
            if bool(report) != breaks:
                wrong.append(f"{header}: {old!r} -> {new!r} {'was not found' if breaks else 'was refused: ' + report}")
            else:
                print(f"ok: {header}: {new!r} {'is found' if breaks else 'is allowed'}")
    return wrong


def main():
    if shutil.which("abidiff") is None:
        print("SKIPPED: abidiff is not installed (Debian's abigail-tools, see packages.txt)")
        return 77
    old, new = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    if not old.is_dir():
        print(f"{old} is not there: this version of the ABI has no record. When its first commit is made, record it with "
              "tests/abi/record.sh")
        return 1
    if "--self-test" in sys.argv:
        wrong = self_test(new)
        print("\n".join(wrong))
        return 1 if wrong else 0
    report = differences(old, new)
    if report:
        print(report)
        print("A plugin built with the recorded headers would break. Append instead of changing, or move "
              "OSTEON_ABI_MAJOR (OSTEON_ABI_MINOR while it is 0) and record the new headers with tests/abi/record.sh.")
        return 1
    print(f"the ABI is what {old} records")
    return 0


if __name__ == "__main__":
    sys.exit(main())
