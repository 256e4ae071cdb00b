#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes headers of the ABI as a later version might have them: what can grow is longer by a field.

    grow.py INCLUDE OUT                 writes the grown headers to OUT/osteon/abi
    grow.py --fill SOURCE.c OUT.c       copies a plugin in C that fills the new fields in

Every struct that is not frozen gets a field `grown` at its end, tables of functions a function, and OSTEON_ABI_MINOR is one
higher. sizes.h stays, for old sizes never change. In C++ a new field has a pattern from the start, so that whoever reads or
copies beyond what the other side sent is seen; in C, where nothing has a value from the start, --fill writes it behind each
`.struct_size =` of an initialiser.
"""
import pathlib
import re
import sys

FROZEN = {"osteon_tensor_view", "osteon_device", "osteon_dtype", "osteon_tensor", "osteon_random_key"}
TABLE = re.compile(r"_api$|_service$|^osteon_call$|^osteon_fit$|^osteon_inference_plan$|^osteon_weight_names$")
PATTERN = """
/* Of the test of growth: what a new field holds, and a new function, which nobody calls. */
#define OSTEON_GROWN_FIELD ((uint64_t)0xa5a5a5a5a5a5a5a5u)
static inline void osteon_grown_function(void) { __builtin_trap(); }
#ifdef __cplusplus
#define OSTEON_GROWN(value) = value
#else
#define OSTEON_GROWN(value)
#endif
"""


def field_of(name):
    if TABLE.search(name):
        return "void (*grown)(void) OSTEON_GROWN(&osteon_grown_function)"
    return "uint64_t grown OSTEON_GROWN(OSTEON_GROWN_FIELD)"


def value_of(name):
    return "osteon_grown_function" if TABLE.search(name) else "OSTEON_GROWN_FIELD"


def grown(text):
    """A header with longer structs, and the names of these."""
    names = []

    def longer(match):
        if match[1] in FROZEN:
            return match[0]
        names.append(match[1])
        return f"{match[0]}  {field_of(match[1])};\n"

    # From the line that opens a struct to the one that closes it.
    text = re.sub(r"^typedef struct (osteon_\w+) \{\n(?:(?!^\}).*\n)*", longer, text, flags=re.M)
    return text, names


def grow(include, out):
    names = []
    for header in sorted((include / "osteon" / "abi").rglob("*.h")):
        text, longer = grown(header.read_text())
        names += longer
        if header.name == "version.h":
            minor = int(re.search(r"^#define OSTEON_ABI_MINOR (\d+)$", text, re.M)[1])
            text = text.replace(f"#define OSTEON_ABI_MINOR {minor}\n", f"#define OSTEON_ABI_MINOR {minor + 1}\n")
            text = text.replace("#include <stdint.h>\n", "#include <stdint.h>\n" + PATTERN)
        path = out / header.relative_to(include)
        path.parent.mkdir(parents=True, exist_ok=True)
        # What did not change keeps its time, so that nothing is built again for it.
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
    pinned = set(re.findall(r"X\((osteon_\w+),", (include / "osteon/abi/sizes.h").read_text()))
    if not pinned or pinned - set(names):
        sys.exit(f"these did not grow: {sorted(pinned - set(names)) or 'all'}")
    print(f"{len(names)} structs grew")


def fill(source, out):
    text, filled = re.subn(r"(\.struct_size = sizeof\(?(osteon_\w+)\)?)",
                           lambda match: f"{match[1]}, .grown = {value_of(match[2])}", source.read_text())
    if filled == 0:
        sys.exit(f"{source} fills no struct in")
    out.write_text(text)


def main():
    if sys.argv[1] == "--fill":
        fill(pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]))
    else:
        grow(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))


if __name__ == "__main__":
    main()
