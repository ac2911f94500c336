//go:build race

package graph_test

// oracleOperations is how many random operations each oracle checks; the race detector makes them ten times dearer.
const oracleOperations = 1000
