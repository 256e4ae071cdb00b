#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The main job on embedded data: phantom -> train -> evaluate on unseen patients -> predict. Usage: demo.sh OSTEON [RECIPE]
set -euo pipefail
osteon=$1
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
recipe=${2:-$root/configs/demo/hand.toml}
name=demo
[ "$recipe" = "$root/configs/demo/hand.toml" ] || name=$(basename "$recipe" .toml)
data=$root/data/demo
run=$root/runs/$name
export OSTEON_DEMO_DATA=$data
started=$SECONDS

say() { printf '\n== %s\n' "$*" >&2; }

if [ ! -f "$data/phantom.json" ]; then
  say "Writing phantom radiographs: 150 patients to learn from, 12 that stay unseen"
  "$osteon" phantom "$data" --patients 150 --test-patients 12 --size 512 --seed 7 >&2
fi

say "Training $recipe"
"$osteon" train "$recipe" --out "$run" --overwrite >&2

say "Evaluating on the unseen patients"
table=$("$osteon" evaluate "$run" --subset test)

say "Predicting the unseen patients, with test-time augmentation"
rm -rf "$run/predictions"
"$osteon" predict "$run" "$data/test/DCM" --out "$run/predictions" --format csv,png,overlay >&2

mean=$(printf '%s\n' "$table" | awk '$1 == "mean" {print $2}')
low=$(printf '%s\n' "$table" | awk '$2 ~ /^[0-9.]+$/ && $1 != "mean" {print $2, $1}' | sort -n | head -1)
high=$(printf '%s\n' "$table" | awk '$2 ~ /^[0-9.]+$/ && $1 != "mean" {print $2, $1}' | sort -n | tail -1)
minutes=$(awk -v s=$((SECONDS - started)) 'BEGIN {printf "%.1f", s / 60}')

cat <<TEXT

Osteon learnt the 29 bones of the hand from phantom radiographs in $minutes minutes.
  mean Dice on patients it has not seen   $mean   (lowest ${low#* } ${low% *}, highest ${high#* } ${high% *})
  run folder                              $run
  overlays with a legend                  $run/predictions/overlays
  competition CSV                         $run/predictions/submission.csv
  Dice per class, JSON                    $run/evaluation.json
A radiograph of your own:
  ./run osteon predict $run YOUR_IMAGE --out OUT --format png,overlay
TEXT
