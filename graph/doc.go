// Package graph is the executable schema. All but this comment is generated: see graph/gen, and `go generate .`.
package graph
