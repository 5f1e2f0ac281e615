package core_test

import (
	"errors"
	"math"
	"testing"

	"github.com/airhost/airhost/core"
)

func TestCheckState(t *testing.T) {
	for _, c := range []struct {
		memory int64
		size   uint64
		want   string
	}{
		{0, 32 << 20, ""},
		{0, 32<<20 + 1, "failed: the state is too large: limits.memory: 33554433 bytes where 32 MiB are allowed"},
		{1 << 16, 1 << 16, ""},
		{1 << 16, math.MaxUint64, "failed: the state is too large: limits.memory: 18446744073709551615 bytes where 64 KiB are allowed"},
		{-1, 0, ""},
		{-1, 1, "failed: the state is too large: limits.memory: 1 bytes where 0 bytes are allowed"},
	} {
		err := core.Limits{Memory: c.memory}.CheckState(c.size)
		if got := errorText(err); got != c.want {
			t.Errorf("%d of %d: got %q, want %q", c.size, c.memory, got, c.want)
		}
		if err != nil && (!errors.Is(err, core.ErrFailed) || !errors.Is(err, core.ErrLimitExceeded)) {
			t.Errorf("%d of %d: %v is no failure by a limit", c.size, c.memory, err)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
