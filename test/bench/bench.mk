# The benchmark: ofctl-live and ovs-testcontroller side by side.

BENCH     ?=
BENCH_OUT ?= results/bench.json

.PHONY: bench
bench: bench-tools build ## responses a second, latency and memory beside ovs-testcontroller; two CPUs, seven minutes
	$(GO) build -o bin/bench ./test/bench
	bin/bench -out $(BENCH_OUT) $(BENCH)

.PHONY: bench-doc
bench-doc: ## the tables of the last bench, into docs/performance.md
	$(GO) run ./test/bench -out $(BENCH_OUT) -document docs/performance.md

.PHONY: bench-tools
bench-tools:
	sh deploy/install-deps.sh openvswitch-testcontroller util-linux

# Under the race detector, as the other tests run, the compiler may decide otherwise what must be allocated.
.PHONY: allocs
allocs: ## no allocation where none is promised
	$(GO) test -count=1 -run Alloc ./ofproto ./internal/packet ./internal/topo ./internal/stream ./controller

check: allocs

PARTS     ?= ^Benchmark(DecodePacketIn|DecodeFlowMod|AppendFlowMod|AppendPacketOut|Conn|PeekTCP|Host|NextPort|Path|TableLoad|TableUpdate|Choose|Source|Session|Compare|Metering|Connection|Decision)$$
PARTS_OUT ?= results/parts.txt

.PHONY: bench-parts
bench-parts: ## decode, encode, lookup, choice, rules, comparison, counters by themselves, six times each, for benchstat
	@mkdir -p $(dir $(PARTS_OUT))
	$(GO) test -run '^$$' -bench '$(PARTS)' -benchtime 0.3s -count 6 ./ofproto ./internal/packet ./internal/topo ./internal/stream \
		./policies/bypass ./internal/steer ./controller >$(PARTS_OUT)
	@echo "$(PARTS_OUT); of two such files: go run golang.org/x/perf/cmd/benchstat@latest OLD NEW"

.PHONY: bench-relay
bench-relay: ## 100, 200 and 1,000 viewers of the relay, of nginx-rtmp and of a bare loop; as root, five minutes
	sh deploy/install-deps.sh 'nginx|nginx-core' libnginx-mod-rtmp iproute2 util-linux
	$(GO) test -c -o bin/relay.test ./internal/relay
	sh test/bench/relay.sh bin/relay.test

# What load and tests stand on, the simulated switch, held against a real Open vSwitch.
.PHONY: oftest
oftest: oftest-tools
	OFCTL_E2E=1 $(GO) test -count=1 -timeout 5m -v -run OpenVSwitch ./ofproto/oftest

.PHONY: oftest-tools
oftest-tools:
	sh deploy/install-deps.sh openvswitch-switch

test: oftest
