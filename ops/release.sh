#!/usr/bin/env bash
# Makes a release as a snapshot, for this machine's system or with -all for every one: archives, packages, checksums, components. It
# starts what can start here. Then it makes all again in another folder: archives and packages must be the same bytes.
set -euo pipefail
cd "$(dirname "$0")/.."
arch=$(go env GOARCH)
GORELEASER_CURRENT_TAG=v$(cat VERSION)
export GORELEASER_CURRENT_TAG # the tag that this commit will have
[ "$(cat VERSION)" = "$(sed -n 's/^appVersion: //p' ops/helm/learngraph/Chart.yaml | tr -d \")" ] || { echo "VERSION and the chart's appVersion differ"; exit 1; }

work=$(mktemp -d)
finish() { [ -z "${pid:-}" ] || kill "$pid" 2>/dev/null || true; rm -rf "$work"; }
trap finish EXIT

commit=$(git rev-parse HEAD) repository=$PWD
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH # the time of what packages hold
cp .goreleaser.yaml "$work/goreleaser.yaml"
[ "${1:-}" = -all ] || sed -i "s/goos: \[.*\]/goos: [linux]/; s/goarch: \[.*\]/goarch: [$arch]/" "$work/goreleaser.yaml"
# release FOLDER: builds a clone, which has a remote, from which the tool takes what it knows of the commit, and is not changed meanwhile.
release() {
  git clone --quiet --shared "$repository" "$1"
  cd "$1"
  git checkout --quiet --detach "$commit"
  go tool -modfile=ops/tools/go.mod goreleaser release --config "$work/goreleaser.yaml" --snapshot --clean --skip=publish --timeout 2h
}
release "$work/tree"
cd dist
sha256sum --check --quiet checksums.txt
for file in *.tar.gz *.zip *.deb *.rpm *.cdx.json; do
  [ ! -e "$file" ] || grep -q "  $file\$" checksums.txt || { echo "$file has no checksum"; exit 1; }
done
holds() { # holds ARCHIVE PROGRAM LIST
  for file in "$2" LICENSE README.md CHANGELOG.md ops/licenses.txt ops/alerts.yml ops/dashboard.json; do
    grep -qx "$file" "$3" || { echo "$1 has no $file"; exit 1; }
  done
}
for archive in *.tar.gz; do
  tar -tzf "$archive" >"$work/list"
  holds "$archive" learngraph "$work/list"
done
for archive in *.zip; do
  [ ! -e "$archive" ] || { python3 -m zipfile --list "$archive" | awk 'NR > 1 { print $1 }' >"$work/list" && holds "$archive" learngraph.exe "$work/list"; }
done
for bill in *.cdx.json; do
  grep -q '"purl": "pkg:golang/github.com/redis/go-redis/v9@' "$bill" || { echo "$bill lacks components"; exit 1; }
done
ls -l -- *.tar.gz *.deb *.rpm *.cdx.json
cd ..

# The archive and the package of this machine are unpacked and started.
mkdir "$work/archive" "$work/package"
tar -xzf dist/learngraph_*_linux_"$arch".tar.gz -C "$work/archive"
dpkg-deb --extract dist/learngraph_*_linux_"$arch".deb "$work/package"
cmp "$work/archive/learngraph" "$work/package/usr/bin/learngraph"
"$work/archive/learngraph" version | tee "$work/version"
grep -q "^learngraph $(cat VERSION)\$" "$work/version"
"$work/package/usr/bin/learngraph" -config "$work/package/etc/learngraph/learngraph.yaml" -demo -listen 127.0.0.1:18071 >"$work/log" 2>&1 &
pid=$!
for _ in $(seq 300); do curl -sf -o /dev/null http://127.0.0.1:18071/readyz && break; sleep 0.1; done
answer=$(curl -s http://127.0.0.1:18071/graphql -H 'Content-Type: application/json' -d '{"query":"{ clients(first: 1) { nodes { name } } }"}')
case $answer in '{"data":{"clients":{"nodes":[{"name":'*) ;; *) echo "got $answer"; cat "$work/log"; exit 1 ;; esac
kill "$pid"
wait "$pid"
pid=

# The service as the package installs it.
[ "$(stat -c %a "$work/package/etc/learngraph/credentials")" = 700 ] || { echo "others may read the credentials"; exit 1; }
dpkg-deb --field dist/learngraph_*_linux_"$arch".deb Depends | grep -q ca-certificates
unit=$(find "$work/package" -name learngraph.service)
[ "$unit" = "$work/package/lib/systemd/system/learngraph.service" ] || { echo "the unit is at $unit"; exit 1; }
systemd-analyze security --offline=true --threshold=20 "$unit" | tail -n 1

release "$work/elsewhere/again" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
# A bill of components has the time of its writing.
diff <(grep -v '\.cdx\.json$' "$work/tree/dist/checksums.txt") <(grep -v '\.cdx\.json$' dist/checksums.txt)
echo "two builds are the same bytes: $(grep -cv '\.cdx\.json$' dist/checksums.txt) archives and packages"
