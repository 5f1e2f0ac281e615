package proto_test

import (
	"os"
	"os/exec"
	"testing"
)

// TestRebuild generates the code anew and compares. The tools are built for it,
// which takes minutes the first time.
func TestRebuild(t *testing.T) {
	if os.Getenv("AIRHOST_REBUILD") == "" {
		t.Skip("set AIRHOST_REBUILD=1 to generate the code anew")
	}
	if report, err := exec.CommandContext(t.Context(), "./generate.sh", "--check").CombinedOutput(); err != nil {
		t.Fatalf("generate.sh --check: %v; ./generate.sh writes the code anew\n%s", err, report)
	}
}
