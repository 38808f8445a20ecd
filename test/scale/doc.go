// Package scale tests the daemon at sizes that no network of real switches here could have: two thousand simulated switches
// at once, a hundred thousand sessions, a restart among a hundred thousand rules; and with a thousand viewers who dial within
// a second through a real Open vSwitch. It tells memory, processor time and delays, and holds them to what docs/performance.md
// promises where that does not depend on what else the machine does.
//
// It runs only with OFCTL_E2E=1, takes some minutes, and opens some four thousand files. Only the burst needs root.
package scale
