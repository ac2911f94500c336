#!/usr/bin/env bash
# Builds this machine's program as a release has it, starts it, and builds it twice in folders of different names: both must be
# the same bytes. With -all it makes all of a release as a snapshot: archives, packages, checksums, components.
set -euo pipefail
cd "$(dirname "$0")/.."
tool() { go tool -modfile=ops/tools/go.mod "$@"; }
[ "$(cat VERSION)" = "$(sed -n 's/^appVersion: //p' ops/helm/learngraph/Chart.yaml | tr -d \")" ] || { echo "VERSION and the chart's appVersion differ"; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"; git worktree prune' EXIT
if [ "${1:-}" = -all ]; then
  tool goreleaser release --snapshot --clean --skip=publish
  (cd dist && sha256sum --check --quiet checksums.txt)
  arch=$(go env GOARCH)
  tar -xzf dist/learngraph_*_linux_"$arch".tar.gz -C "$work"
  dpkg-deb --fsys-tarfile dist/learngraph_*_linux_"$arch".deb | tar -tf - | grep -q lib/systemd/system/learngraph.service
else
  tool goreleaser build --snapshot --clean --single-target --output "$work/learngraph"
fi
"$work/learngraph" version

for n in 1 2; do # in folders of different names
  mkdir -p "$work/$n"
  git worktree add --quiet --detach "$work/$n/tree" HEAD
  (cd "$work/$n/tree" && CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o "$work/$n/learngraph" .)
  git worktree remove --force "$work/$n/tree"
done
cmp "$work/1/learngraph" "$work/2/learngraph"
echo "two builds are the same $(stat -c %s "$work/1/learngraph") bytes"
