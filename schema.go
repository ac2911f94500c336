package main

import _ "embed"

// schemaText is the public contract as it is served.
//
//go:embed schema.graphqls
var schemaText string

// versionText is the number of the release.
//
//go:embed VERSION
var versionText string
