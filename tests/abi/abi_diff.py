#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds headers of the ABI against those that were kept of its versions.

    abi_diff.py KEPT_HEADERS INCLUDE [--self-test]

KEPT_HEADERS has a folder for each version, "0.2"; record.sh makes them. Compared are layouts, by libabigail's abidiff,
constants, by printing them, and the sizes that sizes.h pins. INCLUDE may have more than an older version, at the ends of its
structs; than its own version's record it may have nothing more, because an append moves the minor number.

Exit 0: plugins and hosts of all kept versions work with these headers' own. 1: they do not, with what changed. 77: abidiff
is not installed. --self-test changes copies of the headers in ways that must and must not be found.
"""
import functools
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

# What others embed by value, as version.h says.
FROZEN = {"osteon_tensor_view", "osteon_device", "osteon_dtype", "osteon_tensor", "osteon_random_key"}
MOVE = "move OSTEON_ABI_MINOR and run tests/abi/record.sh"
WORK = tempfile.TemporaryDirectory()


def read(include):
    return {p.name: p.read_text() for p in sorted((include / "osteon" / "abi").glob("*.h"))}


def number(include, name):
    text = (include / "osteon" / "abi" / "version.h").read_text()
    return int(re.search(rf"^#define {name} (\d+)$", text, re.M)[1])


def printed(include, source):
    """What a C program on these headers prints, as {first column: the rest}."""
    work = pathlib.Path(tempfile.mkdtemp(dir=WORK.name))
    (work / "facts.c").write_text("#include <stdio.h>\n#include <osteon/abi/all.h>\n" + source)
    subprocess.run(["cc", "-std=gnu11", "-w", f"-I{include}", work / "facts.c", "-o", work / "facts"], check=True)
    shown = subprocess.run([work / "facts"], check=True, capture_output=True, text=True).stdout
    return dict(line.split("\t", 1) for line in shown.splitlines())


@functools.lru_cache(maxsize=None)
def structs_of(include):
    """Those that are defined, not only named."""
    return sorted({m for text in read(include).values()
                   for m in re.findall(r"^(?:typedef )?struct (osteon_\w+) \{", text, re.M)})


@functools.lru_cache(maxsize=None)
def constants_of(include):
    """{name: value} of enumerators and of macros that are numbers or strings; the reserved keys as one."""
    names = set()
    for text in read(include).values():
        text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
        for body in re.findall(r"enum \w*\s*\{(.*?)\}", text, re.S):
            names |= set(re.findall(r"\b(OSTEON_\w+)\b\s*(?=[=,]|$)", body.strip(), re.M))
        names |= set(re.findall(r"^#define (OSTEON_\w+) +[^\s\\]", text, re.M))
    names -= {"OSTEON_EXPORT", "OSTEON_EXTERN_C"}
    return printed(include, "#define SHOW(x) printf(_Generic((x), char*: \"%s\\t%s\\n\", const char*: \"%s\\t%s\\n\", "
                            "default: \"%s\\t%lld\\n\"), #x, x);\n"
                            "static const char* const keys[] = {OSTEON_RESERVED_KEYS};\n"
                            "int main(void) {\n" + "".join(f"  SHOW({name})\n" for name in sorted(names)) +
                            "  printf(\"OSTEON_RESERVED_KEYS\\t\");\n"
                            "  for (size_t i = 0; i < sizeof keys / sizeof *keys; ++i) printf(\"%s \", keys[i]);\n"
                            "  puts(\"\");\n  return 0;\n}\n")


@functools.lru_cache(maxsize=None)
def sizes_of(include):
    """{struct: (what sizes.h says, sizeof)}."""
    rows = printed(include, "#define SHOW(type, size) printf(\"%s\\t%d %zu\\n\", #type, size, sizeof(type));\n"
                            "int main(void) {\n  OSTEON_EACH_STRUCT(SHOW)\n  return 0;\n}\n")
    return {name: tuple(map(int, row.split())) for name, row in rows.items()}


@functools.lru_cache(maxsize=None)
def library_of(include, structs):
    """A library whose debug information holds these structs, one function for each."""
    out = pathlib.Path(tempfile.mkdtemp(dir=WORK.name)) / "structs.so"
    lines = ["#include <osteon/abi/all.h>"]
    for name in structs:
        lines.append(f"void uses_{name}(struct {name}* x); void uses_{name}(struct {name}* x) {{ (void)x; }}")
    # Function types are reached through the tables of functions; the entry is a type of its own.
    lines.append("void uses_entry(__typeof__(&osteon_get_plugin) x); "
                 "void uses_entry(__typeof__(&osteon_get_plugin) x) { (void)x; }")
    out.with_suffix(".c").write_text("\n".join(lines) + "\n")
    subprocess.run(["cc", "-std=gnu11", "-g", "-O0", "-fPIC", "-shared", f"-I{include}", out.with_suffix(".c"), "-o", out],
                   check=True)
    return out


def layout_changes(old, new):
    """What abidiff finds in the structs of `old`: (structs that grew at their end, all other lines of its report)."""
    structs = tuple(structs_of(old))
    result = subprocess.run(["abidiff", "--no-show-locs", "--leaf-changes-only", library_of(old, structs),
                             library_of(new, structs)], capture_output=True, text=True)
    grown, others, size, name = [], [], 0, ""
    for line in (result.stdout + result.stderr).splitlines() if result.returncode != 0 else []:
        begun = re.match(r"'struct (\w+)' changed:$", line)
        longer = re.match(r" *type size changed from (\d+) to (\d+) \(in bits\)$", line)
        inserted = re.match(r" *'.*', at offset (\d+) \(in bits\)$", line)
        if begun:
            name, size = begun[1], 0
            if name in FROZEN:
                others.append(f"{name} is frozen and changed")
        elif longer and int(longer[2]) > int(longer[1]):
            size = int(longer[1])
            grown.append(name)
        elif inserted and int(inserted[1]) >= size > 0:
            pass
        elif line.strip() and not re.match(r"(Leaf changes|Changed leaf types|Removed/Changed/Added"
                                           r"| *\d+ data member insertions?:$| *\d+ impacted interfaces?:?)", line):
            others.append(line)
    return grown, others


def differences(old, new, same_version):
    """What is wrong with `new` beside the kept headers `old`."""
    gone = sorted(set(structs_of(old)) - set(structs_of(new)))
    if gone:
        return ["structs are gone: " + ", ".join(gone)]
    grown, found = layout_changes(old, new)
    before, after = constants_of(old), constants_of(new)
    for name, value in before.items():
        if name not in ("OSTEON_ABI_MINOR", "OSTEON_ABI_VERSION") and after.get(name) != value:
            found.append(f"{name} was {value} and is {after.get(name, 'gone')}")
    if same_version:
        found += [f"{name} grew: {MOVE}" for name in grown]
        for name in sorted((set(structs_of(new)) - set(structs_of(old))) | (set(after) - set(before))):
            found.append(f"{name} was added: {MOVE}")
    return found


def wrong_sizes(older, include):
    """What is wrong with sizes.h beside the kept headers of older versions, oldest first."""
    sizes, found = sizes_of(include), []
    growable = set(structs_of(include)) - FROZEN
    found += [f"{name} has no line in sizes.h" for name in sorted(growable - set(sizes))]
    found += [f"{name} has a line in sizes.h and must not" for name in sorted(set(sizes) - growable)]
    brought_by = {}
    for headers in [*older, include]:
        for name in sizes_of(headers):
            brought_by.setdefault(name, headers)
    for name, headers in brought_by.items():
        pinned = sizes.get(name, (None,))[0]
        expected = sizes_of(headers)[name][1]
        if pinned != expected:
            found.append(f"sizes.h says {pinned} of {name}, which had {expected} bytes in the version that brought it")
    return found


def problems(kept, include):
    """All that is wrong with headers beside the records of their versions."""
    major, minor = number(include, "OSTEON_ABI_MAJOR"), number(include, "OSTEON_ABI_MINOR")
    versions = {m: kept / f"{major}.{m}" for m in range(number(include, "OSTEON_ABI_OLDEST_MINOR"), minor + 1)}
    found = [f"version {path.name} has no record in {kept}: run tests/abi/record.sh with the commit that moves the version"
             for path in versions.values() if not path.is_dir()]
    there = {m: path.resolve() for m, path in versions.items() if path.is_dir()}
    found += wrong_sizes([path for m, path in there.items() if m < minor], include)
    for m, path in there.items():
        found += [f"against {versions[m].name}: {what}" for what in differences(path, include, m == minor)]
    return found


def main():
    if shutil.which("abidiff") is None:
        print("SKIPPED: abidiff is not installed (Debian's abigail-tools, see packages.txt)")
        return 77
    kept, include = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    if "--self-test" in sys.argv:
        import abi_diff_cases
        return abi_diff_cases.run(include, problems)
    found = problems(kept, include)
    if found:
        print("\n".join(found))
        print("Append instead of changing. An append moves OSTEON_ABI_MINOR; all else moves OSTEON_ABI_MAJOR.")
        return 1
    print("the ABI is what was recorded of it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
