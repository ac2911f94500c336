//go:build !race

package graph_test

// oracleOperations is how many random operations each oracle checks.
const oracleOperations = 10_000
