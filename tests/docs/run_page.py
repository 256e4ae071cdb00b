#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs what a page of the documentation tells its reader to do.

    run_page.py PAGE.md PREFIX WORK_DIR

Every ```sh block of the page is run, in order, by one bash that stops at the first failure, in WORK_DIR, with the
installation PREFIX on the path. Comments in the page, which a reader does not see, stand before a block:

    <!-- page: file NAME -->      the block is a file that the reader is told to write
    <!-- page: append NAME -->    the block is added to the end of such a file
    <!-- page: exit N -->         its last command ends with N
    <!-- page: skip REASON -->    it is not run; the reason is printed

`$OSTEON_SOURCE` is the source tree, where a page says "in the clone". Exit 0 when all went as the page says.
"""
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

BLOCK = re.compile(
    r"(?:<!-- page: (?P<directive>\w+)(?: (?P<argument>.*?))? -->\s*)?^```(?P<language>\w*)[^\n]*\n(?P<body>.*?)^```$",
    re.MULTILINE | re.DOTALL)


def script_of(page: Path) -> str:
    lines = ["set -euo pipefail", "shopt -s expand_aliases"]
    for block in BLOCK.finditer(page.read_text()):
        directive, argument = block["directive"], block["argument"]
        where = f"{page.name}:{page.read_text()[:block.start('body')].count(chr(10)) + 1}"
        if directive in ("file", "append"):
            redirect = ">" if directive == "file" else ">>"
            lines.append(f"mkdir -p {shlex.quote(str(Path(argument).parent))}")
            lines.append(f"cat {redirect} {shlex.quote(argument)} <<'END_OF_BLOCK'\n{block['body']}END_OF_BLOCK")
        elif directive == "skip":
            if not argument:
                sys.exit(f"{where}: a block is skipped without a reason")
            lines.append(f"echo {shlex.quote(f'-- {where}: skipped, {argument}')}")
        elif block["language"] == "sh":
            lines.append(f"echo {shlex.quote(f'-- {where}')}")
            if directive == "exit":
                lines.append(f"set +e\n( set -e\n{block['body']})\nstatus=$?\nset -e\n"
                             f"[ $status -eq {int(argument)} ] || {{ echo \"ended with $status\"; exit 1; }}")
            elif directive is None:
                lines.append(block["body"])
            else:
                sys.exit(f"{where}: unknown directive '{directive}'")
        elif directive is not None:
            sys.exit(f"{where}: '{directive}' before a block that is not sh")
    return "\n".join(lines) + "\n"


def main() -> int:
    page, prefix, work = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve(), Path(sys.argv[3]).resolve()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    script = work.parent / (work.name + ".sh")
    script.write_text(script_of(page))
    environment = dict(os.environ, HOME=str(work), OSTEON_CACHE_DIR=str(work.parent / "cache"),
                       OSTEON_PREFIX=str(prefix), OSTEON_SOURCE=str(Path(__file__).resolve().parents[2]),
                       # The compilers of packages.txt, whatever else a developer has in front of them.
                       PATH=f"{prefix / 'bin'}:/usr/bin:{os.environ['PATH']}")
    environment.pop("OSTEON_PLUGIN_PATH", None)
    return subprocess.run(["bash", str(script)], cwd=work, env=environment, stdin=subprocess.DEVNULL).returncode


if __name__ == "__main__":
    sys.exit(main())
