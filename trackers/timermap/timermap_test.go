package timermap_test

import (
	"errors"
	"testing"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/trackertest"
	"github.com/airhost/airhost/trackers/internal/model"
	"github.com/airhost/airhost/trackers/timermap"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newTracker() (core.Tracker, error) { return timermap.New(timermap.Config{}) }

func TestTracker(t *testing.T) { trackertest.Run(t, newTracker) }

func TestModel(t *testing.T) { model.Check(t, newTracker) }

func TestNobodyWaits(t *testing.T) {
	tracker, _ := newTracker()
	defer tracker.Close()
	if _, err := tracker.Register(nil, time.Second); !errors.Is(err, core.ErrInvalidArgument) {
		t.Errorf("Register without a waiter: got %v, want invalid-argument", err)
	}
	if got := tracker.Remove(nil); len(got) != 0 {
		t.Errorf("Remove without a waiter: got %v, want nothing", got)
	}
}
