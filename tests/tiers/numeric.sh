#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The short numeric tests once more: under the given environment, or (`busy`) three times in a row while two other
# processes for every two cores keep them busy. Usage: numeric.sh BUILD_DIR WORK_DIR busy|NAME=VALUE...
set -euo pipefail
build=$1 work=$2
shift 2
mkdir -p "$work"
# A folder of its own, so that this ctest's logs and costs do not replace those of the ctest that runs it.
printf 'subdirs("%s")\n' "$build" >"$work/CTestTestfile.cmake"
repeat=()
if [ "$1" = busy ]; then
  shift
  repeat=(--repeat until-fail:3)
  spinners=()
  trap 'kill "${spinners[@]}" 2>/dev/null || true' EXIT
  for _ in $(seq "$(nproc)"); do
    # They end by themselves should nobody be left to end them.
    timeout 1500 sh -c 'while :; do :; done' &
    spinners+=($!)
  done
fi
env "$@" ctest --test-dir "$work" -L '^numeric$' -LE '^long$' -j "$(nproc)" --output-on-failure --no-tests=error "${repeat[@]}"
