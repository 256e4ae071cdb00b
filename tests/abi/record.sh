#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Keeps the headers of the ABI's current version for the tests of its promise. Run once, with the commit that moves the
# version; never again for the same one.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
headers=$root/sdk/include/osteon/abi
number() { awk -v name="$1" '$1 == "#define" && $2 == name {print $3}' "$headers/version.h"; }
version=$(number OSTEON_ABI_MAJOR).$(number OSTEON_ABI_MINOR)
kept=$root/tests/abi/headers/$version
[ ! -e "$kept" ] || { echo "$kept is there already; the ABI of version $version is recorded" >&2; exit 1; }
mkdir -p "$kept/osteon/abi"
# All of them but drafts, which are no part of the ABI.
cp "$headers"/*.h "$kept/osteon/abi/"
echo "recorded $kept"
