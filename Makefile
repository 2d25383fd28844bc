# `make run` serves, `make test` tests, `make help` names the rest. They work on a machine that has nothing but Go and make.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory

# Where the Go distribution puts itself, and often nothing puts it on PATH.
GO ?= $(or $(shell command -v go),/usr/local/go/bin/go)
export PATH := $(PATH):$(dir $(GO))
VERSION ?= $(or $(shell git describe --tags --always --dirty 2>/dev/null),unknown)
# Go's own stamp fails on a checkout that belongs to somebody else; the version says the same.
BUILD := CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags '-s -w -X safepy/internal/config.Version=$(VERSION)'
# The race detector needs a C compiler. Without one the tests run all the same, and the summary says so. Looked for when used: it
# may have been installed a moment ago.
RACE = $(if $(shell command -v $${CC:-gcc}),-race)
# Prints a line for each package, at the end what was skipped and why, and the output of what failed.
TESTSUM = $(GO) tool gotestsum --format pkgname --no-color
FUZZ_TIME ?= 10s

.PHONY: build run test tests race lint bench benchmarks chaos fairness soak suites right redis fuzz setup images clean help

build: ## bin/api, bin/worker and bin/standalone
	@mkdir -p bin
	@$(BUILD) -o bin/ ./cmd/api ./cmd/worker ./cmd/standalone

run: setup build ## install what is missing, build, and serve this machine on port 8080
	@address=$${LISTEN_ADDR:-:$${PORT:-8080}}; printf '%s\n' '' 'Try it from another terminal:' '' \
		"  curl http://127.0.0.1:$${address##*:}/execute -H 'Content-Type: application/json' \\" \
		"    -d '{\"script\": \"def main():\\n    print(\\\"hello\\\")\\n    return {\\\"answer\\\": 6 * 7}\"}'" ''
	@exec bin/standalone

test: ## install what is missing, and run every test that this machine can run
	@scripts/setup.sh test
	@$(MAKE) tests

tests: build
	@$(if $(RACE),,echo 'without the race detector: no C compiler (gcc) here')
	@$(if $(RACE),CGO_ENABLED=1) $(TESTSUM) --jsonfile bin/tests.json -- $(RACE) -count=1 -timeout 40m ./... && passed=yes || passed=; \
		echo 'The slowest:'; $(GO) tool gotestsum tool slowest --num 20 --jsonfile bin/tests.json; [[ $$passed ]]

race: ## the packages' own tests under the race detector
	@CGO_ENABLED=1 $(GO) test -race ./internal/... ./cmd/...

lint: ## gofmt, go vet, staticcheck; mypy for the Python inside the jail; shellcheck for the scripts
	@unformatted=$$("$$($(GO) env GOROOT)/bin/gofmt" -l $(wildcard cmd internal scripts test)); \
		if [[ $$unformatted ]]; then printf 'gofmt would change:\n%s\n' "$$unformatted"; exit 1; fi
	@$(GO) vet ./...
	@$(GO) tool staticcheck ./...
	@if /usr/bin/python3 -c 'import mypy' 2>/dev/null; then \
		cd internal/jail && /usr/bin/python3 -m mypy --config-file runner/mypy.ini -p runner; \
	else echo 'without mypy, which is not here (Debian: apt-get install python3-mypy)'; fi
	@for script in scripts/*.sh .ci/run; do bash -n "$$script"; done
	@if command -v shellcheck >/dev/null; then shellcheck scripts/*.sh .ci/run; \
	else echo 'without shellcheck, which is not here (Debian: apt-get install shellcheck)'; fi

bench: setup build ## measure the service, by turns with a cold baseline and the bare jails; ARGS=-quick, ARGS=-help
	@$(BUILD) -o bin/ ./test/bench
	@bin/bench $(ARGS)

benchmarks: setup ## the Go benchmarks of the packages
	@$(GO) test -run '^$$' -bench . -benchmem ./...

chaos: setup build ## break everything under load for minutes, and count the jobs afterwards
	@$(GO) test $(RACE) -count=1 -timeout 30m -v ./test/chaos ./test/hosts -full

soak: setup ## ten thousand jobs in a row on each backend, a tenth of them hostile, and what they leave behind
	@$(GO) test -count=1 -timeout 15m -run TestSoak -v ./internal/jail -soak 10000

fairness: setup build ## what an honest client has beside each kind of neighbour, as a table
	@$(GO) test -count=1 -timeout 40m -run TestHonestNeighbour -v ./test/fairness -every -span 6s

suites: setup ## others' test suites in jails and outside: CPython's, for an hour; ARGS='-kind pytest numpy.lib pandas.tests.frame', ARGS=-help
	@$(GO) run ./test/suites $(ARGS)

right: setup ## 228 programs at ten sizes around the memory limit on every kind of jail: the right answer or memory_limit (30 minutes)
	@$(GO) test -count=1 -timeout 90m -run TestRightOrMemoryLimit -v ./internal/jail -right

REDIS_KINDS ?= user tls sentinel cluster valkey
redis: setup build ## the end-to-end suite on each kind of Redis: a user's, TLS, sentinels, a cluster, Valkey
	@for kind in $(REDIS_KINDS); do echo "Redis: $$kind"; \
		$(TESTSUM) -- $(RACE) -count=1 -timeout 30m ./test/e2e -redis $$kind; done

fuzz: ## every fuzz target, each for FUZZ_TIME (10s)
	@GO=$(GO) scripts/fuzz.sh $(FUZZ_TIME)

setup:
	@scripts/setup.sh

images: ## the three container images
	docker build --build-arg VERSION=$(VERSION) -t safe-python-execution .
	docker build --build-arg VERSION=$(VERSION) -t safe-python-execution-api -f Dockerfile.api .
	docker build --build-arg VERSION=$(VERSION) -t safe-python-execution-worker -f Dockerfile.worker .

clean: ## remove what build made; the jobs kept in data/ stay
	@rm -rf bin

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
