#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The short numeric tests three times in a row, each time under other instruction sets, LibTorch's and oneDNN's at once (what a
# processor does not have, they leave alone), while two other processes for every two cores keep them busy. More tests at a time
# than cores add to that, and lose less to these processes. Usage: numeric.sh BUILD_DIR WORK_DIR
set -euo pipefail
build=$1 work=$2
mkdir -p "$work"
# A folder of its own, so that this ctest's logs and costs do not replace those of the ctest that runs it.
printf 'subdirs("%s")\n' "$build" >"$work/CTestTestfile.cmake"
spinners=()
trap 'kill "${spinners[@]}" 2>/dev/null || true' EXIT
for _ in $(seq "$(nproc)"); do
  # They end by themselves should nobody be left to end them.
  timeout 3600 sh -c 'while :; do :; done' &
  spinners+=($!)
done
for settings in '' 'ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=AVX2' 'ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX512_CORE'; do
  echo "== ${settings:-all that the processor has}"
  # shellcheck disable=SC2086  # words of their own
  env $settings ctest --test-dir "$work" -L '^numeric$' -LE '^long$' -j "$((3 * $(nproc)))" --output-on-failure --no-tests=error
done
