package main

import (
	"strings"
	"testing"
)

// TestReleaseVersion: a release says the version that it was built as.
func TestReleaseVersion(t *testing.T) {
	release = "v1.2.3"
	defer func() { release = "" }()
	if got := version(); !strings.HasPrefix(got, "airhost   v1.2.3\n") {
		t.Errorf("version prints\n%s", got)
	}
}
