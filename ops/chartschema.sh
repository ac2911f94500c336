#!/usr/bin/env bash
# Writes the schema of the program's configuration into that of the chart's values.
set -euo pipefail
cd "$(dirname "$0")/.."
go run . config schema | node -e '
  const fs = require("fs"), file = "ops/helm/learngraph/values.schema.json"
  const { $schema, ...schema } = JSON.parse(fs.readFileSync(0))
  const values = JSON.parse(fs.readFileSync(file))
  values.properties.config = { $id: "learngraph.json", ...schema }
  fs.writeFileSync(file, JSON.stringify(values, null, 2) + "\n")'
