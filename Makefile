# Everything that is done here more than once. `make` alone lists it.

GO      ?= go
OUT     := bin
GUESTS  := $(OUT)/guests
PACKAGES = ./...

.DEFAULT_GOAL := help
.PHONY: help setup build guests run test check race nocgo vet staticcheck format tidy rebuild snippets bench fuzz soak clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## download what building needs (Go modules); nothing else is needed to run and test
	@$(GO) mod download

build: setup ## build airhost and benchrunner into bin/
	@$(GO) build -buildvcs=auto -o $(OUT)/ ./cmd/...

guests: setup ## compile the example guests to WebAssembly into bin/guests/
	@examples/build.sh $(GUESTS)

run: build guests ## run the relay example: both patterns at work between WebAssembly guests
	$(OUT)/airhost call examples/relay/airhost.yaml demo/relay --data 'hello from make run'; echo

test: setup ## run all tests
	@$(GO) test $(PACKAGES)

check: vet staticcheck format tidy race nocgo rebuild ## all that CI checks, apart from `make test`

vet:
	@$(GO) vet $(PACKAGES)
	@GOOS=wasip1 GOARCH=wasm $(GO) vet ./guest/... ./examples/...

staticcheck:
	@$(GO) tool staticcheck $(PACKAGES)

format:
	@files=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$files" ]; then echo "not gofmt'ed:" $$files; exit 1; fi

tidy:
	@$(GO) mod tidy -diff
	@$(GO) mod verify >/dev/null

race:
	@$(GO) test -race -short $(PACKAGES)

nocgo:
	@CGO_ENABLED=0 $(GO) build $(PACKAGES)
	@CGO_ENABLED=0 $(GO) test -short $(PACKAGES)

rebuild: ## build the committed guests anew (clang-19, lld-19, wabt) and compare
	@AIRHOST_REBUILD=1 $(GO) test -count=1 -run 'Rebuild' ./internal/... ./core/... ./backends/...

bench: build ## measure the headline figures (half a minute, on a quiet machine)
	@$(OUT)/benchrunner run --engine wazero,native

fuzz: ## run each fuzz target for FUZZTIME (1m)
	@for package in $$($(GO) list $(PACKAGES)); do \
	  for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz'); do \
	    echo "$$package $$target"; $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(or $(FUZZTIME),1m) $$package || exit 1; \
	  done; \
	done

soak: ## load both cores for a minute under the race detector
	@AIRHOST_LOAD=1m $(GO) test -race -count=1 -timeout 15m -run 'TestLoad|TestSoak' ./core/host

clean: ## remove what was built
	@rm -rf $(OUT)
