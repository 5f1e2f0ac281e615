package rates_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/examples/rates"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/guest/guesttest"
	"github.com/airhost/airhost/internal/hosttest"
	"github.com/airhost/airhost/reach/httpout"
)

// service answers as the web service does.
func service(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/rates/USD" {
		http.NotFound(w, r)
		return
	}
	fmt.Fprint(w, `{"rate": 1.0842}`)
}

func TestRates(t *testing.T) {
	host := &guesttest.Host{Web: http.HandlerFunc(service)}
	rate, err := rates.New().HandleMessage(host, "shop/web", []byte("USD"))
	if string(rate) != "1.0842" || err != nil {
		t.Errorf("got %s, %v", rate, err)
	}
	if _, err := rates.New().HandleMessage(host, "shop/web", []byte("XXX")); !errors.Is(err, guest.ErrFailed) {
		t.Errorf("an unknown currency: %v", err)
	}
	if _, err := rates.New().HandleMessage(new(guesttest.Host), "shop/web", []byte("USD")); !errors.Is(err, guest.ErrCallDenied) {
		t.Errorf("without capabilities: %v", err)
	}
}

// TestRatesOfService asks a real service, through a host.
func TestRatesOfService(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(service))
	defer web.Close()
	client, err := httpout.New(httpout.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	h := hosttest.Start(t, host.Config{HTTP: client})
	rule, err := core.ParseHTTPRule(web.URL + "/rates/*")
	if err != nil {
		t.Fatal(err)
	}
	d := host.Deployment{ID: core.MustComponentID("shop/rates"), Engine: "native", Source: core.Source{Value: rates.New}, Config: []core.ConfigPair{{Key: "service", Value: web.URL}}}
	d.Capabilities.HTTP = core.HTTPRules{rule}
	if err := h.Deploy(context.Background(), d); err != nil {
		t.Fatal(err)
	}
	if rate, err := h.Request(context.Background(), d.ID, []byte("USD")); string(rate) != "1.0842" || err != nil {
		t.Errorf("got %s, %v", rate, err)
	}
	if _, err := h.Request(context.Background(), d.ID, []byte("../admin")); err == nil || !strings.Contains(err.Error(), "HTTP-request-URI-invalid") {
		t.Errorf("a message that is another path: %v", err)
	}
}
