#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Growth of the ABI, both ways: plugins that were built with longer headers (grow.py) in today's host, and today's plugins
# in a host that was built with longer headers.
#   growth.sh build BUILD_DIR WORK_DIR KIND...   what the others need
#   growth.sh new BUILD_DIR WORK_DIR KIND [NAME] new plugins, today's host
#   growth.sh old BUILD_DIR WORK_DIR KIND [NAME] today's plugins, new host
#   growth.sh train BUILD_DIR WORK_DIR           today's host trains with a new loss
set -euo pipefail
source=$(cd "$(dirname "$0")/../.." && pwd)
what=$1 build=$2 work=$3
kinds=("${@:4}")
osteon=$build/bin/osteon
export OSTEON_CACHE_DIR=$work/cache
mkdir -p "$work"

# configure FOLDER HEADERS GROWN
configure() {
  cmake -S "$source/tests/abi/growth" -B "$work/$1" -G Ninja -DOSTEON_SOURCE="$source" -DOSTEON_ABI_INCLUDE="$2" \
    -DGROWN="$3" -DKINDS="$(IFS=';'; echo "${kinds[*]}")" -DOSTEON_SANITIZE="${OSTEON_SANITIZE:-}" >"$work/$1.log" || { cat "$work/$1.log"; exit 1; }
  cmake --build "$work/$1" >>"$work/$1.log" || { cat "$work/$1.log"; exit 1; }
  # No object may have seen other headers of the ABI than these.
  local seen
  seen=$(ninja -C "$work/$1" -t deps | grep -o '/[^ ]*/osteon/abi/version.h$' | sort -u)
  [ "$seen" = "$2/osteon/abi/version.h" ] || { echo "$1 was built with $seen"; exit 1; }
}

case $what in
  build)
    /usr/bin/python3 "$source/tests/abi/grow.py" "$source/sdk/include" "$work/include"
    configure old "$source/sdk/include" OFF
    configure new "$work/include" ON
    ;;
  new)
    for library in "$work"/new/plugins/$4-${5:-*}.so; do
      echo "--- new $(basename "$library"), today's host"
      "$osteon" plugins validate "$library"
    done
    ;;
  old)
    for library in "$work"/new/plugins/$4-${5:-*}.so; do
      # The one of the same name that was built with today's headers: by this test, or with the tree.
      name=$(basename "$library")
      old=$work/old/plugins/$name
      [ -e "$old" ] || old=$build/lib/osteon/plugins/$name
      echo "--- today's $name, new host"
      "$work/new/bin/growth_host" "$old"
    done
    ;;
  train)
    cd "$work"
    rm -rf phantom run
    export OSTEON_CONFIGS=$source/configs
    "$osteon" phantom phantom --patients 4 --test-patients 1 --size 64
    "$osteon" train "$source/tests/abi/growth/recipe.toml" --set "data.root=$work/phantom" --out run \
      --plugin-path "$work/new/plugins"
    grep -q "$work/new/plugins/loss-tversky_c.so" run/run.json
    ;;
esac
