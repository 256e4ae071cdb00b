#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A stranger's path: begins a plugin with `osteon plugins new`, builds it as it is against the installed SDK, runs its
# tests (`plugins validate` is one of them), and uses it in its recipe. Usage: scaffold.sh PREFIX KIND WORK_DIR
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
prefix=$1 kind=$2 work=$3
name=begun_$kind
osteon=$prefix/bin/osteon
rm -rf "$work"
mkdir -p "$work"
export OSTEON_CACHE_DIR=$work/cache

"$osteon" plugins new "$kind" "$name" "$work/$name" | tee "$work/new.log"
# What it and the plugin's README send their reader to is there.
sed -n 's/^What the SDK gives: *//p; s/^Examples: *//p' "$work/new.log" >"$work/places"
grep -oE "$prefix/share/[^\`]+" "$work/$name/README.md" >>"$work/places"
test "$(wc -l <"$work/places")" -eq 6
while read -r place; do test -e "$place"; done <"$work/places"
cd "$work/$name"
cmake -B build -G Ninja -DCMAKE_PREFIX_PATH="$prefix" >"$work/configure.log"
cmake --build build
ctest --test-dir build --output-on-failure

export OSTEON_PLUGIN_PATH=$PWD/build/plugins
"$osteon" plugins describe "$name" >/dev/null
"$osteon" phantom phantom --patients 6 --test-patients 2 --size 128
if [ "$kind" = ensembler ]; then
  # Its members are two runs of any model.
  for member in a b; do
    "$osteon" train "$here/member.toml" --set "data.root=$PWD/phantom" --out "runs/$member"
  done
fi
"$osteon" recipe check recipe.toml
"$osteon" train recipe.toml --out run
grep -q "\"$name\"" run/run.json
"$osteon" evaluate run --subset test --json >evaluation.json
grep -q '"images": 4' evaluation.json
"$osteon" predict run phantom/test/DCM --out predictions --format csv
test "$(wc -l <predictions/submission.csv)" -eq 117  # a header, 4 images of 29 classes
echo "a $kind was begun, built, validated and used"
