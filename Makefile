# make build | test | short | lint | bench | demo | servers | clean

GO          ?= go
TESTENV     := ./internal/testenv
STATICCHECK := $(shell . $(TESTENV)/versions.env && echo $${CONNECTD_SERVERS_DIR:-$${XDG_CACHE_HOME:-$$HOME/.cache}/connectd}/staticcheck-$$STATICCHECK/staticcheck)
TIMEOUT     ?= 40m

.PHONY: build servers test short lint bench demo clean

build:
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/connectd ./cmd/connectd

# Installs the real servers that test, bench and demo start (once, a few minutes).
servers:
	@scripts/install-servers.sh postgres kafka clickhouse s3

# Everything, with real servers; the last line counts the tests. A skipped test is an error.
test: lint servers
	@$(GO) build -o bin/ $(TESTENV)/withservers $(TESTENV)/count
	@CONNECTD_TEST_REQUIRE_SERVERS=1 bin/withservers -- bin/count -- \
		$(GO) test -json -race -timeout $(TIMEOUT) ./...

# Only the tests that need no server.
short:
	$(GO) test ./...

lint:
	@scripts/install-servers.sh tools
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "run gofmt -w on:" $$unformatted; exit 1; }
	@$(GO) vet ./...
	@$(STATICCHECK) ./...

bench: servers build
	$(GO) run ./bench

demo: servers build
	$(GO) run ./internal/demo

clean:
	rm -rf bin
