package http_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/airhost/airhost/core"
	gateway "github.com/airhost/airhost/gateway/http"
)

// TestComponentIsSlowerThanReadTimeout: the time that a request may take to come is not the one
// that its answer may take.
func TestComponentIsSlowerThanReadTimeout(t *testing.T) {
	s := start(t, gateway.Config{ReadTimeout: 50 * time.Millisecond, Routes: []gateway.Route{{Path: "/", Target: core.MustComponentID("a/slow")}}})
	s.deploy(t, "a/slow", func(_ string, message []byte) ([]byte, error) {
		<-time.After(200 * time.Millisecond)
		return message, nil
	})
	if r, text := s.do(t, http.MethodPost, "/", "x"); r.StatusCode != http.StatusOK || text != "x" {
		t.Errorf("got %s %q", r.Status, text)
	}
}
