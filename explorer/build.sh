#!/bin/sh
# Builds dist/ from src/ and the lock file. The same sources give the same bytes, wherever and how often it is built:
# run it and `git diff --exit-code dist` to see that what is committed is fresh. Needs Node 20.19 or later, npm and Go.
set -eu
cd "$(dirname "$0")"
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
cp -R src index.html package.json package-lock.json tsconfig.json vite.config.js licenses.mjs "$root"
(
  cd "$root"
  # No package's install script runs.
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
  npm run --silent build -- --logLevel warn
  node licenses.mjs . dist/LICENSES.txt
)
go run ./pack "$root/dist"
rm -rf dist
mv "$root/dist" dist
