# The experiment: stream delay, frame by frame, in Mininet.

LAB_PEER ?= relay
LAB_OUT  ?= results

.PHONY: lab
lab: lab-tools build ## the whole experiment: three topologies, one viewer, four and eight; eleven minutes
	$(GO) run ./test/lab run --set lab --peer $(LAB_PEER) --out $(LAB_OUT)

.PHONY: demo
demo: lab-tools build ## the shortest pair of runs: installs what it needs, measures, plots; three minutes
	$(GO) run ./test/lab run --set demo --peer $(LAB_PEER) --out $(LAB_OUT)

.PHONY: crowd
crowd: lab-tools build ## eight viewers, three peers and the CDN's link: that pair of runs alone; three minutes
	$(GO) run ./test/lab run --set crowd --out $(LAB_OUT)

# A short pair of runs, as part of the tests.
.PHONY: lab-test
lab-test: lab-tools build
	OFCTL_E2E=1 $(GO) test -count=1 -timeout 10m -v -run TestStream ./test/lab

test: lab-test

# Mininet calls the small tools by name, and does not depend on them.
.PHONY: lab-tools
lab-tools:
	sh deploy/install-deps.sh mininet openvswitch-switch user-mode-linux \
		'nginx|nginx-core' libnginx-mod-rtmp ffmpeg rtmpdump mplayer tcpdump \
		ethtool iproute2 iputils-ping iperf kmod net-tools procps psmisc
