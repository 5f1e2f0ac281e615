package prometheus_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/airhost/airhost/brokers/inproc"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/telemetry/prometheus"
	"github.com/airhost/airhost/trackers/slab"
)

// A host's metrics by HTTP.
func ExampleHandler() {
	broker, err := inproc.New(inproc.Config{})
	if err != nil {
		log.Fatal(err)
	}
	tracker, err := slab.New(slab.Config{})
	if err != nil {
		log.Fatal(err)
	}
	h, err := host.New(host.Config{}, broker, tracker)
	if err != nil {
		log.Fatal(err)
	}
	if err := h.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	defer h.Stop(context.Background())

	mux := http.NewServeMux()
	mux.Handle("GET /metrics", prometheus.Handler(h, prometheus.Config{}))

	answer := httptest.NewRecorder()
	mux.ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	for line := range strings.Lines(answer.Body.String()) {
		if strings.HasPrefix(line, "airhost_components ") {
			fmt.Print(line)
		}
	}
	// Output: airhost_components 0
}
