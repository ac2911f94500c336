#!/usr/bin/env bash
# Builds the image without a container engine, checks its layers and configuration, and runs its file system as an unprivileged user
# who sees nothing else: the program starts, answers, has written nothing, and its sizes are within their bounds.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
finish() { [ -z "${pid:-}" ] || kill "$pid" 2>/dev/null || true; rm -rf "$work"; }
trap finish EXIT
built=$work/built root=$work/root log=$work/log

# What the stage "build" of the Dockerfile leaves in /out.
mkdir -p "$built/etc/ssl/certs" "$root"
CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o "$built/learngraph" .
cp /etc/ssl/certs/ca-certificates.crt "$built/etc/ssl/certs/"
printf 'learngraph:x:65532:65532::/:/\n' >"$built/etc/passwd"
find "$built" -type d -exec chmod 0755 {} + -o -type f -exec chmod 0644 {} +
chmod 0755 "$work" "$built/learngraph"

most() { # most NAME VALUE BOUND
  echo "$1: $2, of at most $3"
  [ "$2" -le "$3" ] || { echo "$1 is over its bound"; exit 1; }
}
most "binary, bytes" "$(stat -c %s "$built/learngraph")" 45000000
(cd ops/tools && go build -o "$work/image" ./image)
"$work/image" ops/Dockerfile "$built" "$work/layout" >"$work/root.tar"
tar -xf "$work/root.tar" -C "$root"
for file in learngraph etc/passwd etc/ssl/certs/ca-certificates.crt; do cmp "$built/$file" "$root/$file"; done
# An image that runs as root is refused, and one with a shell.
sed '/^USER/d' ops/Dockerfile >"$work/Dockerfile"
refused() { # refused DOCKERFILE
  ! "$work/image" "$1" "$built" "$work/refused" >"$work/refused.tar" 2>&1 || { echo "a wrong image is taken"; exit 1; }
}
refused "$work/Dockerfile"
mkdir "$built/bin" && touch "$built/bin/sh"
refused ops/Dockerfile

find "$root" -printf '%P %s %T@\n' | sort >"$log.before"
chroot --userspec=65532:65532 "$root" /learngraph -demo -listen 127.0.0.1:18070 >"$log" 2>&1 &
pid=$!
for _ in $(seq 300); do curl -sf -o /dev/null http://127.0.0.1:18070/readyz && break; sleep 0.1; done
ticks=$(cut -d' ' -f14,15 "/proc/$pid/stat" | tr ' ' +)
most "CPU from start to ready, ms" $(((ticks) * 1000 / $(getconf CLK_TCK))) 150
answer=$(curl -s http://127.0.0.1:18070/graphql -H 'Content-Type: application/json' -d '{"query":"{ clients(first: 1) { nodes { name } } }"}')
case $answer in '{"data":{"clients":{"nodes":[{"name":'*) ;; *) echo "got $answer"; cat "$log"; exit 1 ;; esac
chroot --userspec=65532:65532 "$root" /learngraph health -demo -ready -listen 127.0.0.1:18070
most "resident memory at rest, kB" "$(awk '/^VmRSS/ { print $2 }' "/proc/$pid/status")" 45000
kill "$pid"
wait "$pid"
pid=
find "$root" -printf '%P %s %T@\n' | sort | diff "$log.before" - || { echo "the program wrote to its root"; exit 1; }
