# The benchmark: ofctl-live and ovs-testcontroller side by side.

BENCH     ?=
BENCH_OUT ?= results/bench.json

.PHONY: bench
bench: bench-tools build ## responses a second, latency and memory beside ovs-testcontroller; two CPUs, five minutes
	$(GO) build -o bin/bench ./test/bench
	bin/bench -out $(BENCH_OUT) $(BENCH)

.PHONY: bench-doc
bench-doc: ## the tables of the last bench, into docs/performance.md
	$(GO) run ./test/bench -out $(BENCH_OUT) -document docs/performance.md

.PHONY: bench-tools
bench-tools:
	sh deploy/install-deps.sh openvswitch-testcontroller util-linux

# What load and tests stand on, the simulated switch, held against a real Open vSwitch.
.PHONY: oftest
oftest: oftest-tools
	OFCTL_E2E=1 $(GO) test -count=1 -timeout 5m -v -run OpenVSwitch ./ofproto/oftest

.PHONY: oftest-tools
oftest-tools:
	sh deploy/install-deps.sh openvswitch-switch

test: oftest
