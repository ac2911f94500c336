#!/usr/bin/env bash
# Builds the file system of the image without a container engine and runs it as an unprivileged user who sees nothing else:
# the program starts, answers, has written nothing, and its sizes are within their bounds.
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
most() { # most NAME VALUE BOUND
  echo "$1: $2, of at most $3"
  [ "$2" -le "$3" ] || { echo "$1 is over its bound"; exit 1; }
}
most "binary, bytes" "$size" 45000000
most "image, bytes" "$total" 40000000
! file -b "$root/learngraph" 2>/dev/null | grep -q 'dynamically linked' || { echo "the binary is not static"; exit 1; }

find "$root" -printf '%P %s %T@\n' | sort >"$root.log.before"
chroot --userspec=65532:65532 "$root" /learngraph -demo -listen 127.0.0.1:18070 >"$root.log" 2>&1 &
pid=$!
for _ in $(seq 300); do curl -sf -o /dev/null http://127.0.0.1:18070/readyz && break; sleep 0.1; done
ticks=$(cut -d' ' -f14,15 "/proc/$pid/stat" | tr ' ' +)
most "CPU from start to ready, ms" $(((ticks) * 1000 / $(getconf CLK_TCK))) 150
answer=$(curl -s http://127.0.0.1:18070/graphql -H 'Content-Type: application/json' -d '{"query":"{ clients(first: 1) { nodes { name } } }"}')
case $answer in '{"data":{"clients":{"nodes":[{"name":'*) ;; *) echo "got $answer"; cat "$root.log"; exit 1 ;; esac
chroot --userspec=65532:65532 "$root" /learngraph health -demo -ready -listen 127.0.0.1:18070
most "resident memory at rest, kB" "$(awk '/^VmRSS/ { print $2 }' "/proc/$pid/status")" 45000
kill "$pid"
wait "$pid"
pid=
find "$root" -printf '%P %s %T@\n' | sort | diff "$root.log.before" - || { echo "the program wrote to its root"; exit 1; }
rm -f "$root.log.before"
