package relay_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if address := os.Getenv(benchListen); address != "" {
		os.Exit(runBenchServer(address))
	}
	goleak.VerifyTestMain(m)
}
