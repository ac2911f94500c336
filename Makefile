# The parts of .ci/run, for work on one of them. .ci/run itself installs what is missing and runs them all.
.DEFAULT_GOAL := help
.PHONY: help build test lint generate fuzz bench siege explorer examples ci
FUZZCOUNT ?= 5000x

help: ## list the targets
	@grep -E '^[a-z]+: *##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+): *## (.*)/\1\t\2/' | expand -t 12

build: ## compile all packages
	go build ./...

test: ## run all tests with the race detector
	go test -race -shuffle=on -timeout 1h ./...

lint: ## formatting, vet, staticcheck, golangci-lint, tidy modules
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); exit 1; }
	go vet ./...
	go tool staticcheck ./...
	go tool -modfile=ops/lint/go.mod golangci-lint run --timeout 20m
	go mod tidy -diff

generate: ## write the generated code anew
	go generate ./...

fuzz: ## run each fuzz target, FUZZCOUNT=5000x times (whole operations: 200)
	@set -e; git grep -o '^func Fuzz[A-Za-z0-9_]*' -- '*_test.go' | while IFS=: read -r file target; do \
	  count=$(FUZZCOUNT); case $$file in graph/*) count=200x ;; esac; \
	  go test -run '^$$' -fuzz "^$${target#func }\$$" -fuzztime $$count -fuzzminimizetime 100x -parallel 4 "./$$(dirname "$$file")"; \
	done

bench: ## run each benchmark once; `go run ./bench` measures
	go test -run '^$$' -bench . -benchtime 1x ./...

siege: ## ten minutes of attacks in a control group of 256 MiB, as root
	.ci/siege 10m

explorer: ## build the query page from its sources
	explorer/build.sh

examples: ## run the tests of the examples
	examples/run

ci: ## all that must hold before a change lands
	.ci/run
