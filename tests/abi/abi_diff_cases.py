# SPDX-License-Identifier: Apache-2.0
"""What abi_diff.py must and must not find: changes to copies of the headers, each judged beside their record."""
import pathlib
import re
import shutil
import tempfile

ALWAYS = "is refused, whatever the version"
NEVER = "is allowed"
APPEND = "is refused, until the minor number moves"

NEW_STRUCT = "typedef struct osteon_added {\n  uint32_t struct_size;\n  uint32_t flags;\n} osteon_added;\n"


def new_struct(line):
    return [("band.h", "typedef struct osteon_band {", NEW_STRUCT + "typedef struct osteon_band {"),
            ("sizes.h", "  X(osteon_ensembler_api, 64)", f"  X(osteon_ensembler_api, 64) {line}")]


# (how it is judged, [(header, what is replaced, by what)])
CASES = [
    (ALWAYS, [("model.h", "  int64_t in_channels;", "  int32_t in_channels;")]),
    (ALWAYS, [("loss.h", "  int64_t n_classes;\n  const char* const* class_names;",
               "  const char* const* class_names;\n  int64_t n_classes;")]),
    (ALWAYS, [("loss.h", "typedef struct osteon_loss_request {\n  uint32_t struct_size;",
               "typedef struct osteon_loss_request {\n  uint32_t struct_size;\n  uint32_t added;")]),
    (ALWAYS, [("loss.h", "  const osteon_tensor_view* soft_target;\n", "")]),
    (ALWAYS, [("version.h", "OSTEON_UNSUPPORTED = 2,", "OSTEON_UNSUPPORTED = 12,")]),
    (ALWAYS, [("version.h", "OSTEON_FLAGS_MUST 0x0000ffffu", "OSTEON_FLAGS_MUST 0x000000ffu")]),
    (ALWAYS, [("version.h", "OSTEON_ABI_OLDEST_MINOR 2", "OSTEON_ABI_OLDEST_MINOR 1")]),
    (ALWAYS, [("augmentation.h", "OSTEON_WARP_IGNORE_OUTSIDE = 1u << 0", "OSTEON_WARP_IGNORE_OUTSIDE = 1u << 1")]),
    (ALWAYS, [("augmentation.h", "void (*destroy)(osteon_augmentation* augmentation);",
               "void (*destroy)(osteon_augmentation* augmentation, int32_t how);")]),
    (ALWAYS, [("predictor.h", 'RESAMPLE "osteon.resample/1"', 'RESAMPLE "osteon.resample/2"')]),
    (ALWAYS, [("augmentation.h", "} osteon_random_key;", "  uint64_t appended;\n} osteon_random_key;")]),
    (ALWAYS, [("tensor.h", "} osteon_tensor;", "  uint64_t appended;\n} osteon_tensor;")]),
    (ALWAYS, [("params.h", '"when", "isolate"', '"when", "isolate", "added"')]),
    (ALWAYS, [("sizes.h", "X(osteon_loss_input, 80)", "X(osteon_loss_input, 72)")]),
    (ALWAYS, [("sizes.h", "X(osteon_loss_input, 80)", "")]),
    (ALWAYS, [("loss.h", "} osteon_loss_input;", "  uint64_t appended;\n} osteon_loss_input;"),
              ("sizes.h", "X(osteon_loss_input, 80)", "X(osteon_loss_input, 88)")]),
    (ALWAYS, new_struct("")),
    (ALWAYS, new_struct("X(osteon_added, 16)")),
    (ALWAYS, [("sizes.h", "X(osteon_error, 24)", "X(osteon_error, 24) X(osteon_tensor, 72)")]),
    (APPEND, new_struct("X(osteon_added, 8)")),
    (APPEND, [("loss.h", "} osteon_loss_request;", "  int64_t appended;\n} osteon_loss_request;")]),
    (APPEND, [("loss.h", "} osteon_loss_api;", "  void (*appended)(osteon_loss* loss);\n} osteon_loss_api;")]),
    (APPEND, [("version.h", "OSTEON_BAD_INPUT = 7", "OSTEON_BAD_INPUT = 7, OSTEON_ADDED = 8")]),
    (APPEND, [("fit.h", "#define OSTEON_EXTENSION_FIT", '#define OSTEON_ADDED "osteon.added/1"\n#define OSTEON_EXTENSION_FIT')]),
    (NEVER, [("loss.h", "/** Makes a loss.", "/** A better sentence. Makes a loss.")]),
    (NEVER, []),
]


def changed(include, edits, out):
    shutil.copytree(include / "osteon" / "abi", out / "osteon" / "abi")
    for header, old, new in edits:
        path = out / "osteon" / "abi" / header
        text = path.read_text()
        if text.count(old) < 1:
            raise RuntimeError(f"{header} has no {old!r}: write this change anew")
        path.write_text(text.replace(old, new, 1))
    return out


def minor_of(include):
    return int(re.search(r"^#define OSTEON_ABI_MINOR (\d+)$", (include / "osteon/abi/version.h").read_text(), re.M)[1])


def judged(include, case, moved, recorded, problems):
    """What is found in a changed copy, beside a record of `include` and, with `recorded`, of the copy's own version."""
    with tempfile.TemporaryDirectory() as folder:
        kept, minor = pathlib.Path(folder) / "kept", minor_of(include)
        edits = list(case)
        if moved:
            edits.append(("version.h", f"OSTEON_ABI_MINOR {minor}", f"OSTEON_ABI_MINOR {minor + 1}"))
        copy = changed(include, edits, pathlib.Path(folder) / "include")
        kept.mkdir()
        (kept / f"0.{minor}").symlink_to(include.resolve())
        if recorded:
            (kept / f"0.{minor + 1}").symlink_to(copy)
        return problems(kept, copy)


def run(include, problems):
    wrong = []

    def expect(found, refused, what):
        if bool(found) != refused:
            wrong.append(f"{what}: {'was not found' if refused else 'was refused: ' + '; '.join(found)}")

    for judgement, case in CASES:
        what = "; ".join(f"{header}: {new.strip() or 'no ' + old.strip()!r}" for header, old, new in case) or "nothing"
        before = len(wrong)
        expect(judged(include, case, False, False, problems), judgement != NEVER, what)
        expect(judged(include, case, True, True, problems), judgement == ALWAYS, what + ", with the minor number moved")
        if judgement == APPEND:
            expect(judged(include, case, True, False, problems), True, what + ", with the minor number moved and no record")
        if len(wrong) == before:
            print(f"ok: {what} {judgement}")
    print("\n".join(wrong))
    return 1 if wrong else 0
