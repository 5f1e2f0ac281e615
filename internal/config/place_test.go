package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/airhost/airhost/internal/config"
)

// loadText loads a file with a text.
func loadText(t *testing.T, text string) (*config.File, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "airhost.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return config.Load(path, built)
}

// TestPlace: a component may run on one of several hosts, by defaults as well, and with labels.
func TestPlace(t *testing.T) {
	f, err := loadText(t, `
host: {broker: nats, nats: {name: one}}
defaults: {place: any}
components:
  - {id: shop/orders, source: echo, engine: native, place_labels: {zone: a}}
  - {id: shop/stock, source: echo, engine: native, place: here}
`)
	if err != nil {
		t.Fatal(err)
	}
	orders, stock := &f.Components[0], &f.Components[1]
	if !orders.IsPlacedAny() || orders.PlaceLabels["zone"] != "a" || stock.IsPlacedAny() || !f.PlacesAny() {
		t.Errorf("got %q with %v, %q", orders.Place, orders.PlaceLabels, stock.Place)
	}
}

// TestWrongPlaces: place: any needs a cluster, and place_labels are for it alone.
func TestWrongPlaces(t *testing.T) {
	const component = "{id: a/b, source: echo, engine: native"
	for name, test := range map[string]struct{ text, want string }{
		"no NATS":       {"components: [" + component + ", place: any}]", "components[0].place: any needs the broker nats"},
		"no name":       {"host: {broker: nats}\ncomponents: [" + component + ", place: any}]", "any needs host.nats.name"},
		"another place": {"components: [" + component + ", place: there}]", `unknown place "there", did you mean "here"?`},
		"labels alone":  {"components: [" + component + ", place_labels: {a: b}}]", "set place to any beside it"},
		"a label":       {"host: {broker: nats, nats: {name: x}}\ncomponents: [" + component + ", place: any, place_labels: {A: b}}]", "no name of a label"},
		"a provider": {"host: {broker: nats, nats: {name: x}}\nfunctions: {f/g: {component: a/b}}\ncomponents: [" + component + ", place: any}]",
			"functions.f/g.component: a/b has place: any"},
	} {
		if _, err := loadText(t, test.text); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
}
