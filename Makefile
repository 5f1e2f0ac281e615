# The commands that developers and CI run. `make` alone lists them.

GO      ?= go
OUT     := bin
GUESTS  := $(OUT)/guests
RELAY   := examples/relay/airhost.yaml
PACKAGES = ./...

.DEFAULT_GOAL := help
.PHONY: help setup build guests run test check race nocgo server vet staticcheck format tidy modules rebuild man bench reference figures report fuzz soak replacements bombs archives release clean

# Modules of their own, so that users of the library do not download their dependencies.
MODULES := internal/bench/peers internal/component/programs examples/redis-broker

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## download the Go modules; building, running and testing needs nothing else
	@echo 'getting the Go modules; what follows may take minutes the first time' >&2
	@$(GO) mod download

build: setup ## build airhost and benchrunner into bin/
	@echo 'building airhost and benchrunner' >&2
	@$(GO) build -buildvcs=auto -o $(OUT)/ ./cmd/...

guests: setup ## compile the example guests to WebAssembly into bin/guests/
	@echo 'building the example guests' >&2
	@examples/build.sh $(GUESTS)

run: build guests ## run the relay example: both patterns at work between WebAssembly guests
	@echo 'demo/relay gets a request. It asks demo/echo by request-response, and passes the'
	@echo 'answer on to demo/counter by fire-and-forget. All three are WebAssembly guests.'
	@echo
	@echo '$$ airhost call $(RELAY) demo/relay --data "hello from make run"'
	@response=$$($(OUT)/airhost call $(RELAY) demo/relay --data 'hello from make run') && \
	  printf '\nThe lines above are the log. The response to the request is:\n\n%s\n' "$$response"

test: setup ## run all tests
	@$(GO) test $(PACKAGES)

check: vet staticcheck format tidy race nocgo server modules rebuild ## all that CI checks, apart from `make test`

vet:
	@$(GO) vet $(PACKAGES)
	@GOOS=wasip1 GOARCH=wasm $(GO) vet ./guest/... ./examples/...
	@for tag in airhost_delay5 airhost_delay10; do $(GO) vet -tags $$tag ./core/host || exit 1; done
	@$(GO) vet -tags airhost_unmetered ./internal/sandbox
	@$(GO) vet -tags nats_server ./cmd/airhost ./internal/natsserver ./internal/service

staticcheck:
	@$(GO) tool staticcheck $(PACKAGES)

format:
	@files=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$files" ]; then echo "not gofmt'ed:" $$files; exit 1; fi

tidy:
	@$(GO) mod tidy -diff
	@$(GO) mod verify >/dev/null

race:
	@$(GO) test -race -short $(PACKAGES)

nocgo: # without cgo there is no Wasmtime, and names are looked up in another way; all else is the same
	@CGO_ENABLED=0 $(GO) vet $(PACKAGES)
	@CGO_ENABLED=0 $(GO) test -short ./gateway/... ./reach/... $$($(GO) list -test -f '{{.ImportPath}} {{.Deps}}' $(PACKAGES) | sed -n 's/\.test .*wasmtime-go.*//p')

server: ## test the build with a NATS server in it
	@$(GO) tool staticcheck -tags nats_server ./internal/natsserver ./internal/service
	@$(GO) test -race -tags nats_server ./internal/natsserver
	@$(GO) test -race -tags nats_server -run Embedded ./internal/service ./cmd/airhost

modules: ## check the modules that are not the library's: peers, examples with servers
	@staticcheck=$$($(GO) tool -n staticcheck); for module in $(MODULES); do \
	  (cd $$module && $(GO) vet ./... && $$staticcheck ./... && $(GO) mod tidy -diff && $(GO) test -short ./...) || exit 1; \
	done

rebuild: ## build the committed guests and the protocol's code anew (clang-19, lld-19, wabt) and compare
	@AIRHOST_REBUILD=1 $(GO) test -count=1 -run Rebuild ./internal/rules ./proto

man: build ## write the manual pages of airhost into bin/man/man1 (man -M bin/man airhost)
	@$(OUT)/airhost man $(OUT)/man/man1

bench: build ## measure the headline figures (a minute, on a quiet machine)
	@$(OUT)/benchrunner run

reference: build ## measure all that results/ keeps of this processor, and draw the figures (half an hour)
	@scripts/reference.sh

figures: build ## draw the figures of README.md and docs/ from what results/ keeps
	@scripts/reference.sh figures

report: build ## show what results/ keeps as a page, results/report.html
	@$(OUT)/benchrunner report results/*/reference.json results/*/load.json results/*/headline.json -o results/report.html

fuzz: ## run each fuzz target for FUZZTIME (1m)
	@for package in $$($(GO) list $(PACKAGES)); do \
	  for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz'); do \
	    echo "$$package $$target"; $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(or $(FUZZTIME),1m) $$package || exit 1; \
	  done; \
	done

soak: ## load both cores for a minute under the race detector, change a host under HTTP load for CHURN (1h), break a cluster ROUNDS (200) times, kill a key-value store 100 times, and damage components FLIPS (10000) times each
	@AIRHOST_CHURN=$(or $(CHURN),1h) $(GO) test -count=1 -v -timeout 90m -run '^TestChurn$$' ./internal/service
	@AIRHOST_NEMESIS=$(or $(ROUNDS),200) AIRHOST_NEMESIS_DURABLE=60 AIRHOST_NEMESIS_BUS=60 $(GO) test -count=1 -v -timeout 2h -run 'Nemesis|TestBusLost' ./internal/nemesis
	@cd internal/component/programs && AIRHOST_FLIPS=$(or $(FLIPS),10000) $(GO) test -count=1 -timeout 60m -run TestFlips .
	@AIRHOST_KILLS=100 $(GO) test -count=1 -timeout 20m -run '^TestKill$$' ./reach/keyvalue
	@AIRHOST_LOAD=1m $(GO) test -race -count=1 -timeout 40m -run 'TestLoad|TestSoak|TestFunctionLoad|TestFunctionGraphUnderChange' ./core/host

replacements: ## replace a Go guest of 3 MB N=100 times under RATE=50000 requests a second, and show how long they took
	@AIRHOST_REPLACEMENTS=$(or $(N),100) AIRHOST_RATE=$(or $(RATE),50000) $(GO) test -count=1 -v -timeout 60m -run '^TestReplacements$$' ./internal/allengines

bombs: ## check modules made to cost much, all kinds and sizes on both engines, with a table
	@AIRHOST_BOMBS=1 $(GO) test -count=1 -v -timeout 60m -run '^TestBombs$$' ./cmd/airhost

archives: ## build the programs of VERSION=v0.1.0 for TARGETS (all platforms) into dist/
	@scripts/release.sh archives "$(VERSION)" $(TARGETS)

release: archives ## build archives of VERSION=v0.1.0, their checksums and their notes into dist/
	@scripts/release.sh finish "$(VERSION)"

clean: ## remove bin/ and dist/
	@rm -rf $(OUT) dist
