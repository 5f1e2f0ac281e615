package guests

import (
	"fmt"
	"os"

	"github.com/airhost/airhost/backends/process"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/plugin"
)

// processVariable has the name of the guest that the executable serves as.
const processVariable = "AIRHOST_BENCH_GUEST"

// The names of guests that can be processes.
const (
	ProcessPingPong  = "pingpong"
	ProcessRoundTrip = "roundtrip"
)

var processGuests = map[string]func() guest.Component{ProcessPingPong: NewPingPong, ProcessRoundTrip: NewRoundTrip}

// ProcessSource returns a guest for the process engine: the running executable
// itself, which must call [ServeProcess] first of all.
func ProcessSource(name string) (core.Source, error) {
	path, err := os.Executable()
	if err != nil {
		return core.Source{}, fmt.Errorf("benchmark guest %s as a process: %w", name, err)
	}
	return process.Source(process.Command{Path: path, Env: []string{processVariable + "=" + name}}), nil
}

// ServeProcess serves as the guest that the environment names. It returns false, and
// does nothing, where the environment names none.
func ServeProcess() bool {
	create := processGuests[os.Getenv(processVariable)]
	if create == nil {
		return false
	}
	plugin.Serve(create())
	return true
}
