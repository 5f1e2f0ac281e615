// Package rates is an example component that asks a service in the web: it answers with the rate
// of a currency.
package rates

import (
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/guest/web"
)

// New makes the component.
func New() guest.Component { return &rates{service: "http://127.0.0.1:8081"} }

type rates struct{ service string }

// Initialize takes the address of the service, if config has one.
func (r *rates) Initialize(_ guest.Host, config guest.Config) error {
	if service, ok := config.Get("service"); ok {
		r.service = service
	}
	return nil
}

// HandleMessage answers with the rate of the currency that a message names.
func (r *rates) HandleMessage(host guest.Host, _ string, message []byte) ([]byte, error) {
	client := http.Client{Transport: web.Transport(host)}
	answer, err := client.Get(r.service + "/rates/" + url.PathEscape(string(message)))
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }() // it is in memory
	if answer.StatusCode != http.StatusOK {
		return nil, guest.Failed("the service answers %s", answer.Status)
	}
	var rate struct{ Rate json.Number }
	err = json.NewDecoder(answer.Body).Decode(&rate)
	return []byte(rate.Rate), err
}
