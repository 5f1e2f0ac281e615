package extensiontest

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/airhost/airhost/internal/spawn"
)

// Roles are the functions that the test's executable runs as an extension, by role.
type Roles map[string]func()

// Main is the TestMain of tests with an executable that also serves as an extension.
// Started as an extension, it runs the role that Command has chosen. Otherwise it
// runs the tests and checks that no goroutine is left.
func (r Roles) Main(m *testing.M) {
	if os.Getenv(spawn.CookieKey) == "" {
		goleak.VerifyTestMain(m)
		return
	}
	r[os.Args[1]]()
}

// Command returns the command that starts the test's executable in a role.
func (r Roles) Command(t testing.TB, role string) spawn.Command {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if r[role] == nil {
		t.Fatalf("there is no role %q", role)
	}
	// Without the variable a process with the race detector takes a second to exit.
	return spawn.Command{Path: path, Args: []string{role}, Env: []string{"GORACE=atexit_sleep_ms=0"}}
}
