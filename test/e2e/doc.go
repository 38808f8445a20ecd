// Package e2e tests the daemon as it is shipped: the real program, real Open vSwitch with its userspace datapath, hosts in
// network namespaces, real players, publishers and relays.
//
// The tests run only with OFCTL_E2E=1 and as root, since they make network namespaces; `make test` runs them. Every switch
// and host of a test lives in namespaces of its own, so nothing of the machine's network is touched, and all processes
// end with the test, even when it is killed.
//
// The kernel here may lack netem, so most links have no delay, and policies are asked for a peer by `strategy: nearest`;
// where a link must have one, the test itself carries the frames. What delay does to a stream is measured in test/lab.
package e2e
