//go:build !race

package e2e

const nullabilityOperations = 10_000
