#!/usr/bin/env bash
# Checks the compose file, the systemd unit and the Helm chart: the chart with each set of values in its ci folder, what it makes
# of them against the schemas of Kubernetes, and that its README is fresh.
set -euo pipefail
cd "$(dirname "$0")"
chart=helm/learngraph
tool() { go tool -modfile=tools/go.mod "$@"; }

(cd tools && go run ./compose ../compose.yaml)
systemd-analyze security --offline=true --threshold=20 systemd/learngraph.service | tail -n 1

for values in $chart/ci/*-values.yaml; do
  echo "$values"
  tool helm lint --quiet --strict $chart --values "$values"
  tool helm template learngraph $chart --kube-version 1.31 --values "$values" | (cd tools && go run ./manifests)
done

# What is no value of the chart, and an object that no server would take, are refused.
! tool helm lint --quiet $chart --set replicas=3 >/dev/null 2>&1
! tool helm template learngraph $chart --kube-version 1.31 --set podDisruptionBudget.maxUnavailable=null --set-json 'tolerations=[{"keys":"x"}]' |
  (cd tools && go run ./manifests) 2>/dev/null

tool helm-docs --chart-search-root helm --log-level warning
git diff --exit-code -- $chart/README.md
