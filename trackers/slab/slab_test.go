package slab_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/trackertest"
	"github.com/airhost/airhost/trackers/internal/model"
	"github.com/airhost/airhost/trackers/slab"
	"go.uber.org/fx"
	"go.uber.org/fx/fxtest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newTracker() (core.Tracker, error) { return slab.New(slab.Config{}) }

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

func TestModule(t *testing.T) {
	var tracker core.Tracker
	fxtest.New(t, slab.Module, fx.Invoke(fx.Annotate(func(all []core.Tracker) { tracker = all[0] }, fx.ParamTags(`group:"trackers"`)))).RequireStart().RequireStop()
	if _, ok := tracker.(*slab.Tracker); !ok {
		t.Errorf("the module provides %T", tracker)
	}
	if err := tracker.Close(); err != nil {
		t.Error(err)
	}
}

func TestModuleTakesAConfig(t *testing.T) {
	app := fx.New(fx.NopLogger, slab.Module, fx.Supply(slab.Config{Shards: -1}), fx.Invoke(fx.Annotate(func([]core.Tracker) {}, fx.ParamTags(`group:"trackers"`))))
	if err := app.Err(); err == nil || !strings.Contains(err.Error(), "-1 shards") {
		t.Errorf("got %v, want an error that names the -1 shards", err)
	}
}
