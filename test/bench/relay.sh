#!/bin/sh
# relay.sh TEST: the relay's benchmarks, in the compiled test binary TEST, beside nginx-rtmp. Twice, in a network namespace of
# their own: first over loopback as it is, then with loopback's receiving half on every core but the server's, the first (RPS,
# Documentation/networking/scaling.rst in Linux). Needs root, two cores or more, at most 32.
set -e
test=$(realpath "$1")
cd "$(dirname "$0")/../../internal/relay" # its directory when it is run by go test
ulimit -n 20000
for cores in 0 $(printf %x $((((1 << $(nproc)) - 1) & ~1))); do
	echo "# receiving half on the cores of mask $cores; 0: on the sender's"
	unshare --net --mount sh -ec '
		mount -t sysfs sysfs /sys
		ip link set lo up
		echo "$1" >/sys/class/net/lo/queues/rx-0/rps_cpus
		exec timeout -k 5 300 "$2" -test.run "^$" -test.bench "Viewers|Floor" -test.benchtime 1x' sh "$cores" "$test"
done
