//go:build race

package e2e

// nullabilityOperations is how many random operations try what the schema claims of nulls; the race detector makes them
// ten times dearer.
const nullabilityOperations = 1_000
