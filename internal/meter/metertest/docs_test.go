package metertest

import (
	"os"
	"strings"
	"testing"

	"github.com/airhost/airhost/internal/meter"
)

func TestFuelIsDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../../docs/fuel.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(doc), meter.CostTable()) {
		t.Errorf("docs/fuel.md does not hold the cost table:\n%s", meter.CostTable())
	}
}
