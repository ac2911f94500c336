#!/usr/bin/env bash
# Checks the compose file, the systemd unit and the Helm chart: the chart with each set of values in its ci folder, what it makes
# of them against the schemas of Kubernetes, and that its README is fresh.
set -euo pipefail
cd "$(dirname "$0")"
chart=helm/learngraph
objects=$(mktemp)
trap 'rm "$objects"' EXIT
tool() { go tool -modfile=tools/go.mod "$@"; }

(cd tools && go run ./compose ../compose.yaml)
systemd-analyze security --offline=true --threshold=20 systemd/learngraph.service | tail -n 1

for values in $chart/ci/*-values.yaml; do
  echo "$values"
  tool helm lint --quiet --strict $chart --values "$values"
  tool helm template learngraph $chart --kube-version 1.31 --values "$values" | (cd tools && go run ./manifests)
done

# What is no value of the chart, and an object that no server would take, are refused.
refused() { echo "$1 is taken"; exit 1; }
! tool helm lint --quiet $chart --set replicas=3 >/dev/null 2>&1 || refused 'a value that the chart has not'
! tool helm template learngraph $chart --kube-version 1.31 --set preStopSeconds=10 >/dev/null 2>&1 || refused 'a pod that is killed before it has ended'
tool helm template learngraph $chart --kube-version 1.31 --set podDisruptionBudget.maxUnavailable=null --set-json 'tolerations=[{"keys":"x"}]' >"$objects"
! (cd tools && go run ./manifests) <"$objects" 2>/dev/null || refused 'an object that breaks its schema'

tool helm-docs --chart-search-root helm --log-level warning
git diff --exit-code -- $chart/README.md
