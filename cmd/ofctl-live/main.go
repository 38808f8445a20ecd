// Command ofctl-live is an OpenFlow 1.0 controller that serves each new viewer of a live stream from the copy with the
// least delay. See the README for what it does and `ofctl-live --help` for how to run it.
package main

import (
	"fmt"
	"os"
)

func main() {
	if err := newRootCommand().Execute(); err != nil {
		fmt.Fprintln(os.Stderr, "ofctl-live:", err)
		os.Exit(1)
	}
}
