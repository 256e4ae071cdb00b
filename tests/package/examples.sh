#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds an example as a stranger would, a copy of the one that is installed, against the installed SDK, runs its tests
# (`plugins validate` is one of them), and trains, evaluates and predicts with its recipe. Usage: examples.sh PREFIX EXAMPLE
# WORK_DIR
# Exit 77, which ctest shows as skipped, when there is no compiler for the example's language.
set -euo pipefail
prefix=$1 example=$2 work=$3
osteon=$prefix/bin/osteon
# The compilers of packages.txt, whatever else a developer has in front of them.
export PATH=/usr/bin:$PATH OSTEON_PREFIX=$prefix OSTEON_CACHE_DIR=$work/cache

need() {
  command -v "$1" >/dev/null && return
  echo "SKIPPED: the example $example needs $1, which is not installed (see packages.txt)"
  exit 77
}
case $example in
  c11_*) need cc ;;
  clang_*) need clang++ ;;
  rust_*) need rustc ;;
esac

rm -rf "$work"
mkdir -p "$work"
cp -r "$prefix/share/osteon/examples/$example" "$work/example"
cd "$work/example"
cmake -B build -G Ninja -DCMAKE_PREFIX_PATH="$prefix"
cmake --build build
ctest --test-dir build --output-on-failure --no-tests=error
for library in build/plugins/*.so; do
  exported=$(nm -D --defined-only "$library" | awk '{print $3}')
  [ "$exported" = osteon_get_plugin ] || { echo "$library shows more than its entry: $exported"; exit 1; }
done

export OSTEON_PLUGIN_PATH=$PWD/build/plugins
library=$(basename build/plugins/*.so .so)
name=${library#*-}
"$osteon" plugins describe "$name"
"$osteon" phantom phantom --patients 6 --test-patients 2 --size 128
"$osteon" recipe check recipe.toml
# A third of the epochs, which show what the rest would.
shorter=()
[ "$example" = handmade_model ] && shorter=(--set train.epochs=70)
"$osteon" train recipe.toml "${shorter[@]}" --out run
grep -q "\"$name\"" run/run.json
"$osteon" evaluate run --subset test --json >evaluation.json
"$osteon" predict run phantom/test/DCM --out predictions --format csv
test "$(wc -l <predictions/submission.csv)" -eq 117  # a header, 4 images of 29 classes

# What the example's README claims beyond that.
dice_exceeds() {
  python3 -c 'import json, sys
dice, bar = json.load(open("evaluation.json"))["dice"]["mean"], float(sys.argv[1])
print(f"mean Dice over the test set: {dice:.3f}; the bar is {bar}")
sys.exit(dice <= bar)' "$1"
}
case $example in
  handmade_model) dice_exceeds 0.5 ;;
  clang_model)
    readelf --string-dump=.comment "$osteon" >built_by
    cat built_by
    grep -q 'GCC: ' built_by
    if grep -q 'clang version' built_by; then
      echo "SKIPPED: Clang built this host too, so that nothing was shown of two compilers"
      exit 77
    fi ;;
esac
echo "the example $example was built, validated and used"
