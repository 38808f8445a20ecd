//go:build race

package controller

// underRace: the race detector has pools forget what they were given, now and then.
const underRace = true
