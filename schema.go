package main

import _ "embed"

// schemaText is the public contract as it is served.
//
//go:embed schema.graphqls
var schemaText string
