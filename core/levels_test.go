package core_test

import (
	"testing"

	"github.com/airhost/airhost/core"
)

func TestHealthStatus(t *testing.T) {
	for i, name := range []string{"healthy", "degraded", "unhealthy"} {
		if s := core.HealthStatus(i); !s.Valid() || s.String() != name {
			t.Errorf("status %d: got %q, valid %t, want %q", i, s, s.Valid(), name)
		}
	}
	if s := core.HealthStatus(3); s.Valid() || s.String() != "invalid" {
		t.Errorf("status 3: got %q, valid %t", s, s.Valid())
	}
}

func TestLogLevel(t *testing.T) {
	for i, name := range []string{"trace", "debug", "info", "warn", "error"} {
		if l := core.LogLevel(i); !l.Valid() || l.String() != name {
			t.Errorf("level %d: got %q, valid %t, want %q", i, l, l.Valid(), name)
		}
	}
	if l := core.LogLevel(5); l.Valid() || l.String() != "invalid" {
		t.Errorf("level 5: got %q, valid %t", l, l.Valid())
	}
}
