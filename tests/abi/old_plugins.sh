#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Plugins of past versions in today's host: a loss that was built with the kept headers of each version that is promised to
# work loads, validates and trains; one of 0.1 is refused with one sentence that says what to do.
# Usage: old_plugins.sh PREFIX WORK_DIR
set -euo pipefail
tests=$(cd "$(dirname "$0")" && pwd)
prefix=$1 work=$2
osteon=$prefix/bin/osteon
number() { awk -v name="$1" '$1 == "#define" && $2 == name {print $3}' "$prefix/include/osteon/abi/version.h"; }
current=$(number OSTEON_ABI_MAJOR).$(number OSTEON_ABI_MINOR)
oldest=$(number OSTEON_ABI_MAJOR).$(number OSTEON_ABI_OLDEST_MINOR)
rm -rf "$work"
mkdir -p "$work"
export OSTEON_CACHE_DIR=$work/cache OSTEON_PREFIX=$prefix PATH=/usr/bin:$PATH

is_refused() {
  local sentence="was built for plugin ABI 0.1, and this host takes $oldest and what came after it within major version 0; build the plugin again with this host's SDK"
  mkdir "$work/0.1"
  cc -std=c11 -fPIC -shared -fvisibility=hidden -I"$tests/headers/0.1" "$tests/loss_0_1.c" -o "$work/0.1/loss-old.so"
  "$osteon" plugins list --plugin-path "$work/0.1" >"$work/list"
  grep -F "$sentence" "$work/list" || { cat "$work/list"; exit 1; }
  if "$osteon" plugins validate "$work/0.1/loss-old.so" >"$work/verdict" 2>&1; then
    echo "a plugin of 0.1 passed"
    exit 1
  fi
  grep -qF "$sentence" "$work/verdict" || { cat "$work/verdict"; exit 1; }
}

# works VERSION
works() {
  local kept=$tests/headers/$1
  cp -r "$tests/../../examples/c11_loss" "$work/$1"
  cd "$work/$1"
  # Before the installed ones.
  cmake -B build -G Ninja -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_FLAGS="-I$kept -H"
  cmake --build build --verbose >build.log 2>&1 || { cat build.log; exit 1; }
  grep -q "$kept/osteon/abi/loss.h" build.log || { echo "the kept headers were not used"; exit 1; }
  if grep -q "$prefix/include/osteon/abi" build.log; then
    echo "today's headers were used too"
    exit 1
  fi
  export OSTEON_PLUGIN_PATH=$PWD/build/plugins
  "$osteon" plugins validate build/plugins/loss-tversky_c.so
  "$osteon" phantom phantom --patients 4 --test-patients 1 --size 128
  "$osteon" train recipe.toml --out run
  grep -q '"tversky_c"' run/run.json
}

for kept in "$tests"/headers/*/; do
  version=$(basename "$kept")
  if [ "$version" = 0.1 ]; then
    is_refused
    echo "a plugin of ABI 0.1 was refused"
  elif [ "$version" != "$current" ]; then  # that of today is what every other test builds
    works "$version"
    echo "a plugin of ABI $version was built, validated and used"
  fi
done
