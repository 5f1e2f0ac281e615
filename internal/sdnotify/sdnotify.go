// Package sdnotify tells the service manager, systemd or one that speaks its protocol, how
// far the service is. Nothing is told to anyone unless NOTIFY_SOCKET is set, as
// Type=notify does in a unit. See sd_notify(3).
package sdnotify

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/airhost/airhost/core"
)

// mostStatus is the longest status in bytes.
const mostStatus = 1 << 10

// Ready says that the service has started, or has reloaded its configuration, and shows a
// status.
func Ready(status string) error { return notify(daemon.SdNotifyReady, statusLine(status)) }

// Reloading says that the service reloads its configuration. Ready ends that, also when the
// configuration was refused.
func Reloading() error {
	return notify(daemon.SdNotifyReloading, daemon.SdNotifyMonotonicUsec())
}

// Stopping says that the service has begun to stop.
func Stopping() error { return notify(daemon.SdNotifyStopping) }

// Status shows a text to operators. A control character in it becomes a space.
func Status(text string) error { return notify(statusLine(text)) }

// Watchdog says that the service is alive, at half of the interval that the manager has set, as
// long as healthy returns true. It begins at once, and returns when ctx has ended, or at once if
// the manager has no watchdog for this process. A healthy that does not return counts as false:
// the manager ends the service then. The error is the first one of the manager's, which does
// not end the calls.
func Watchdog(ctx context.Context, healthy func() bool) error {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return fmt.Errorf("the service manager's watchdog: %w", err)
	}
	if interval < 2 { // half of it is no time
		return nil
	}
	ticks := time.NewTicker(interval / 2)
	defer ticks.Stop()
	for ctx.Err() == nil {
		if healthy() {
			err = cmp.Or(err, notify(daemon.SdNotifyWatchdog))
		}
		select {
		case <-ctx.Done():
		case <-ticks.C:
		}
	}
	return err
}

// notify sends lines, but for empty ones, as one datagram.
func notify(lines ...string) error {
	var state strings.Builder
	for _, line := range lines {
		if line = strings.TrimSuffix(line, "\n"); line != "" {
			state.WriteString(line + "\n")
		}
	}
	if _, err := daemon.SdNotify(false, state.String()); err != nil {
		return fmt.Errorf("tell the service manager: %w", err)
	}
	return nil
}

// statusLine is a status as one line of the protocol.
func statusLine(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	return "STATUS=" + core.CutText(text, mostStatus)
}
