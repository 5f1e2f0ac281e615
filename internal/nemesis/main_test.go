package nemesis

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
)

// roleVariable and settingsVariable say what the test's program does instead of tests, and how.
const (
	roleVariable     = "AIRHOST_NEMESIS_ROLE"
	settingsVariable = "AIRHOST_NEMESIS_SETTINGS"
)

func TestMain(m *testing.M) {
	var err error
	switch role := os.Getenv(roleVariable); role {
	case "":
		os.Exit(m.Run())
	case "server":
		err = play(serveNATS)
	case "host":
		err = play(runHost)
	default:
		err = fmt.Errorf("%s=%s: want server or host", roleVariable, role)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func play[S any](role func(S) error) error {
	var settings S
	d := json.NewDecoder(strings.NewReader(os.Getenv(settingsVariable)))
	d.DisallowUnknownFields()
	if err := d.Decode(&settings); err != nil {
		return fmt.Errorf("%s: %w", settingsVariable, err)
	}
	return role(settings)
}
