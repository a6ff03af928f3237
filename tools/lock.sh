#!/bin/sh
# Resolve pyproject.toml into requirements/*.txt, with hashes, for every platform and Python from 3.11 on.
set -eu
uv=${1:-uv}
cd "$(dirname "$0")/.."
compile() {
  out=$1
  shift
  "$uv" pip compile --no-config --quiet --universal --python-version 3.11 --generate-hashes --no-header \
    --no-annotate --no-emit-index-url --no-emit-find-links "$@" -o "requirements/$out.txt"
}
# hatchling and editables are in the core lock because the editable install builds without isolation, from locked parts.
printf "hatchling>=1.27\neditables>=0.5\n" > requirements/.build.in
compile core pyproject.toml requirements/.build.in
compile dev pyproject.toml --group dev -c requirements/core.txt
compile serve pyproject.toml --extra serve --extra postgres -c requirements/dev.txt
compile milvus pyproject.toml --extra serve --extra milvus -c requirements/dev.txt
compile bench pyproject.toml --group bench -c requirements/dev.txt
compile page pyproject.toml --group page -c requirements/dev.txt
# Amazon's library, which moto needs, wants an older python-dateutil than the rest takes.
sed -n 's/ \\$//p' requirements/dev.txt | grep -v "^ \|^python-dateutil=" > requirements/.dev.in
compile cluster pyproject.toml --group cluster -c requirements/.dev.in
compile schema pyproject.toml --group schema -c requirements/dev.txt
compile engines pyproject.toml --group engines -c requirements/dev.txt
rm requirements/.build.in requirements/.dev.in
