#!/usr/bin/env bash
# Builds a release of the tree as a snapshot: archives, packages, checksums, components. It starts what runs on this machine and
# builds the binary twice to see that both are the same bytes.
set -euo pipefail
cd "$(dirname "$0")/.."
tool() { go tool -modfile=ops/tools/go.mod "$@"; }
[ "$(cat VERSION)" = "$(sed -n 's/^appVersion: //p' ops/helm/learngraph/Chart.yaml)" ] || { echo "VERSION and the chart's appVersion differ"; exit 1; }

tool goreleaser check --quiet
tool goreleaser release --snapshot --clean --skip=publish
(cd dist && sha256sum --check --quiet checksums.txt)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
arch=$(go env GOARCH)
tar -xzf dist/learngraph_*_linux_"$arch".tar.gz -C "$work"
"$work/learngraph" version
dpkg-deb --fsys-tarfile dist/learngraph_*_linux_"$arch".deb | tar -tf - | grep -q lib/systemd/system/learngraph.service

for n in 1 2; do # in folders of different names
  mkdir -p "$work/$n"
  git worktree add --quiet --detach "$work/$n/tree" HEAD
  (cd "$work/$n/tree" && CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o "$work/$n/learngraph" .)
  git worktree remove --force "$work/$n/tree"
done
cmp "$work/1/learngraph" "$work/2/learngraph"
echo "two builds are the same $(stat -c %s "$work/1/learngraph") bytes"
