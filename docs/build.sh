#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the site: the pages, the reference of every plugin (from the plugins' own schemas), and the headers' reference by
# Doxygen. A link that leads nowhere fails. Usage: build.sh OSTEON
set -euo pipefail
osteon=$1
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
out=$root/build/docs
rm -rf "$out"
mkdir -p "$out/pages"
cp -r "$root"/docs/{index.md,author,composer,operator,contributor,reference,images} "$out/pages/"
python3 "$root/docs/plugins_page.py" "$osteon" >"$out/pages/reference/plugins.md"

cd "$root"
mkdocs build --quiet --strict
sed "s|@ROOT@|$root|g; s|@OUT@|$out|g" docs/Doxyfile.in >"$out/Doxyfile"
doxygen "$out/Doxyfile"
echo "The site: $out/site/index.html; the headers: $out/site/api/index.html"
