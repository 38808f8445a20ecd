// Package scale tests the daemon with two thousand simulated switches at once: that all of them come up, that their tree is
// discovered, what it costs to hold them, and how soon half of them are back after they were all cut off together.
//
// It runs only with OFCTL_E2E=1; it needs no privilege, takes about a minute, and opens some four thousand files.
package scale
