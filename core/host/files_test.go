package host_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
)

// noDisk is a file system that takes any grant, and opens nothing.
type noDisk struct{}

func (noDisk) Check(host.FileGrant) error { return nil }

func (noDisk) Open(host.FileGrant) (core.File, error) {
	return nil, &core.FileError{Code: core.FileNoEntry}
}

// TestFilesOfPrograms: directories are not granted to a component of an engine that does not give them
// to it, neither at once nor later.
func TestFilesOfPrograms(t *testing.T) {
	h := start(t, host.Config{Files: noDisk{}})
	granted := []host.FileGrant{{Path: "/srv", As: "/data"}}
	program := &toy{traits: core.Traits{OwnFiles: true}}
	d := toyDeployment("a/program", program)
	check(t, h.Deploy(within(t), d))
	d.Capabilities.Files = granted
	if err := h.Replace(within(t), d); !errors.Is(err, host.ErrInvalidDeployment) || !strings.Contains(err.Error(), "has the files of its user") {
		t.Errorf("got %v", err)
	}
	check(t, h.Undeploy(within(t), d.ID))
	if err := h.Deploy(within(t), d); !errors.Is(err, host.ErrInvalidDeployment) || !strings.Contains(err.Error(), "choose another engine") {
		t.Errorf("got %v", err)
	}
	d = toyDeployment("a/guest", &toy{})
	d.Capabilities.Files = granted
	check(t, h.Deploy(within(t), d))
	for _, grant := range []host.FileGrant{{}, {Path: "/srv"}, {As: "/data"}, {Path: "/srv", As: "data"}} {
		d.ID, d.Capabilities.Files = id("a/wrong"), []host.FileGrant{grant}
		if err := h.Deploy(within(t), d); !errors.Is(err, host.ErrInvalidDeployment) || !strings.Contains(err.Error(), "capabilities.files") {
			t.Errorf("%+v: got %v", grant, err)
		}
	}
}
