#!/usr/bin/env bash
# Builds the file system of the image without a container engine and runs it as an unprivileged user who sees nothing else:
# the program starts, answers, and has written nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$(mktemp -d)
chmod 0755 "$root"
finish() { [ -z "${pid:-}" ] || kill "$pid" 2>/dev/null || true; rm -rf "$root" "$root.log"; }
trap finish EXIT

# What the two COPY lines of the Dockerfile bring.
CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o "$root/learngraph" .
mkdir -p "$root/etc/ssl/certs"
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
printf 'learngraph:x:65532:65532::/:/\n' >"$root/etc/passwd"

size=$(stat -c %s "$root/learngraph")
total=$(du -sb "$root" | cut -f1)
echo "binary $((size >> 20)) MiB, image $((total >> 20)) MiB"
[ "$size" -lt 45000000 ] || { echo "the binary is too large"; exit 1; }
! file -b "$root/learngraph" 2>/dev/null | grep -q 'dynamically linked' || { echo "the binary is not static"; exit 1; }

find "$root" -printf '%P %s %T@\n' | sort >"$root.log.before"
chroot --userspec=65532:65532 "$root" /learngraph -demo -listen 127.0.0.1:18070 >"$root.log" 2>&1 &
pid=$!
for _ in $(seq 300); do curl -sf -o /dev/null http://127.0.0.1:18070/readyz && break; sleep 0.1; done
answer=$(curl -s http://127.0.0.1:18070/graphql -H 'Content-Type: application/json' -d '{"query":"{ clients(first: 1) { nodes { name } } }"}')
case $answer in '{"data":{"clients":{"nodes":[{"name":'*) ;; *) echo "got $answer"; cat "$root.log"; exit 1 ;; esac
chroot --userspec=65532:65532 "$root" /learngraph health -demo -ready -listen 127.0.0.1:18070
kill "$pid"
wait "$pid"
pid=
find "$root" -printf '%P %s %T@\n' | sort | diff "$root.log.before" - || { echo "the program wrote to its root"; exit 1; }
rm -f "$root.log.before"
