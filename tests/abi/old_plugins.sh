#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A plugin built with the first headers of this major version loads, validates and trains with today's host.
# Usage: old_plugins.sh PREFIX KEPT_HEADERS WORK_DIR
set -euo pipefail
examples=$(cd "$(dirname "$0")/../../examples" && pwd)
prefix=$1 kept=$2 work=$3
osteon=$prefix/bin/osteon
rm -rf "$work"
mkdir -p "$work"
cp -r "$examples/c11_loss" "$work/loss"
cd "$work/loss"
# Before the installed ones, for the plugin and for its note.
cmake -B build -G Ninja -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_FLAGS="-I$kept -H" -DCMAKE_CXX_FLAGS="-I$kept"
cmake --build build --verbose >build.log 2>&1 || { cat build.log; exit 1; }
grep -q "$kept/osteon/abi/loss.h" build.log || { echo "the kept headers were not used"; exit 1; }
if grep -q "$prefix/include/osteon/abi" build.log; then
  echo "today's headers were used too"
  exit 1
fi
export OSTEON_CACHE_DIR=$work/cache OSTEON_PREFIX=$prefix OSTEON_PLUGIN_PATH=$PWD/build/plugins
"$osteon" plugins validate build/plugins/loss-tversky.so
"$osteon" phantom phantom --patients 4 --test-patients 1 --size 128
"$osteon" train recipe.toml --out run
grep -q '"tversky"' run/run.json
echo "a plugin of ABI $(basename "$kept") was built, validated and used"
