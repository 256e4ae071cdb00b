#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs Osteon, builds a model plugin outside the tree against the installed SDK, drops the library into a folder, and
# trains a recipe with it. Usage: outside_plugin.sh BUILD_DIR SOURCE_DIR WORK_DIR
set -euo pipefail
build=$1 source=$2 work=$3
rm -rf "$work"
mkdir -p "$work/dropped"

cmake --install "$build" --prefix "$work/prefix" >"$work/install.log"
before=$(find "$work/prefix" -type f | sort | xargs sha256sum)

cmake -S "$source/tests/package/outside_model" -B "$work/outside" -G Ninja \
  -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH="$work/prefix"
cmake --build "$work/outside"
cp "$work/outside/plugins/model-two_convolutions.so" "$work/dropped/"

osteon=$work/prefix/bin/osteon
export OSTEON_CACHE_DIR=$work/cache OSTEON_CONFIGS=$source/configs OSTEON_TEST_DATA=$work/data
"$osteon" plugins list --plugin-path "$work/dropped" >"$work/list"
grep -E '^two_convolutions +model +1\.0\.0' "$work/list"
"$osteon" plugins list | { ! grep two_convolutions; }
"$osteon" phantom "$work/data" --patients 4 --test-patients 1 --size 128
"$osteon" train "$source/tests/package/outside_model/recipe.toml" --out "$work/run" --plugin-path "$work/dropped"
grep -q '"two_convolutions"' "$work/run/run.json"
"$osteon" evaluate "$work/run" --subset test --json --plugin-path "$work/dropped" >"$work/evaluation.json"
grep -q '"images": 2' "$work/evaluation.json"
OSTEON_PLUGIN_PATH=$work/dropped "$osteon" predict "$work/run" "$work/data/test/DCM" --out "$work/predictions" --format csv

after=$(find "$work/prefix" -type f | sort | xargs sha256sum)
[ "$before" = "$after" ] || { echo "the installation changed"; exit 1; }
echo "an outside plugin was built, found, trained, evaluated and used; the installation is untouched"
