package extensiontest

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/airhost/airhost/internal/spawn"
)

// Roles are what a test's executable does when it is started as an extension.
type Roles map[string]func()

// Main is the TestMain of tests whose executable is also an extension: it plays
// the role that Command has asked for, or runs the tests and looks for goroutines
// that are left.
func (r Roles) Main(m *testing.M) {
	if os.Getenv(spawn.CookieKey) == "" {
		goleak.VerifyTestMain(m)
		return
	}
	r[os.Args[1]]()
}

// Command starts the test's executable in a role.
func (r Roles) Command(t testing.TB, role string) spawn.Command {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if r[role] == nil {
		t.Fatalf("there is no role %q", role)
	}
	// Without the variable a process under the race detector takes a second to end.
	return spawn.Command{Path: path, Args: []string{role}, Env: []string{"GORACE=atexit_sleep_ms=0"}}
}
