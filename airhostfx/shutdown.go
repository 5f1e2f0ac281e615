package airhostfx

import (
	"slices"
	"sync"

	"go.uber.org/fx"

	"github.com/airhost/airhost/core/host"
)

// ShutdownOnFailure shuts the application down, with exit code 1, when a component has failed
// that its [host.Deployment] calls Required. Without it the application goes on, and the host
// starts the component again after its cool-down.
var ShutdownOnFailure = fx.Invoke(shutdownOnFailure)

// eventBuffer is how many events wait for the goroutine that reads them.
const eventBuffer = 64

func shutdownOnFailure(lifecycle fx.Lifecycle, h *host.Host, application fx.Shutdowner) {
	changes, cancel := h.Subscribe(eventBuffer)
	var watch sync.WaitGroup
	lifecycle.Append(fx.StartStopHook(
		func() { watch.Go(func() { shutdownAfter(changes, h, application) }) },
		func() { cancel(); watch.Wait() },
	))
}

// shutdownAfter shuts the application down after the failure of a required component. It
// returns when it has, or when changes is closed.
func shutdownAfter(changes <-chan host.Event, h *host.Host, application fx.Shutdowner) {
	for change := range changes {
		wasFull := len(changes) >= eventBuffer-1 // events may have been missed
		if change.Required || wasFull && slices.ContainsFunc(h.Components(), requiredAndFailed) {
			_ = application.Shutdown(fx.ExitCode(1)) // an error says that the application was told before
			return
		}
	}
}

func requiredAndFailed(s host.ComponentStatus) bool { return s.Required && s.State == "failed" }
