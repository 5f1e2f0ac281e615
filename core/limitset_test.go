package core_test

import (
	"strings"
	"testing"

	"github.com/airhost/airhost/core"
)

func TestLimitSet(t *testing.T) {
	given := core.Limits{Memory: 1, Fuel: 1, Mailbox: 1, HandlerTime: 1}.Given()
	if given != core.LimitMemory|core.LimitFuel || given.String() != "limits.memory, limits.fuel" {
		t.Errorf("got %q", given)
	}
	all := core.Limits{}.WithDefaults()
	all.Fuel = 1
	if got := all.Given(); got != core.AllLimits || strings.Count(got.String(), ", ") != 5 {
		t.Errorf("got %q, want all", got)
	}
}
