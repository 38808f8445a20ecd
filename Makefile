# make build   bin/ofctl-live
# make check   formatting, vet, staticcheck, all tests with the race detector, allocations, a moment of each fuzz target
# make test    that, then end to end on real Open vSwitch and in Mininet; installs what it needs; CI runs this
# make demo    the shortest pair of runs of the experiment: what the whole thing is about, in minutes
# make lab     the whole experiment
# make help    every target

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
# Counted, not timed: a timed run may end in "context deadline exceeded" with nothing found (golang/go#75804).
FUZZTIME ?= 20000x

.DEFAULT_GOAL := build

.PHONY: build
build: ## the program, bin/ofctl-live
	$(GO) build -ldflags '-X main.version=$(VERSION)' -o bin/ofctl-live ./cmd/ofctl-live

.PHONY: test
test: test-tools check e2e ## everything, on real switches too; as root

.PHONY: check
check: fmt vet staticcheck race fuzz ## what needs neither root nor a network

.PHONY: fmt
fmt: ## fails where gofmt would change a file
	@out=$$(gofmt -l .) && [ -z "$$out" ] || { echo "gofmt would change: $$out" >&2; exit 1; }

.PHONY: vet
vet: ## go vet
	$(GO) vet ./...

.PHONY: staticcheck
staticcheck: ## every check of staticcheck
	$(GO) tool staticcheck -checks all,-ST1000 ./...

.PHONY: race
race: ## all tests but the end-to-end ones, with the race detector
	$(GO) test -race -timeout 30m ./...

# The go command fuzzes one target of one package at a time.
.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME
	@grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' . | while IFS=: read -r file func; do \
		target=$${func#func }; \
		echo "$(GO) test -fuzz ^$$target\$$ -fuzztime $(FUZZTIME) $$(dirname $$file)"; \
		$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x "$$(dirname $$file)" </dev/null >.fuzz.log 2>&1 \
			|| { cat .fuzz.log; exit 1; }; \
		tail -n 1 .fuzz.log; \
	done; status=$$?; rm -f .fuzz.log; exit $$status

.PHONY: e2e
e2e: build ## end to end: real switches, players and relays; as root
	OFCTL_E2E=1 $(GO) test -count=1 -timeout 15m -v -p 1 -parallel 3 ./test/e2e ./test/scale

# What the tests run, and gcc for the race detector.
.PHONY: test-tools
test-tools: ## installs what the tests run; as root
	sh deploy/install-deps.sh gcc libc6-dev openvswitch-switch iproute2 iputils-ping ethtool procps util-linux \
		ffmpeg 'nginx|nginx-core' libnginx-mod-rtmp libnginx-mod-stream rtmpdump mplayer mpv vlc-bin vlc-plugin-base \
		tcpdump prometheus gstreamer1.0-tools gstreamer1.0-plugins-good gstreamer1.0-plugins-bad obs-studio xvfb

.PHONY: clean
clean: ## what make has made
	rm -rf bin results

.PHONY: help
help: ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## */\1\t/' | expand -t 14

-include test/lab/lab.mk
-include test/bench/bench.mk
