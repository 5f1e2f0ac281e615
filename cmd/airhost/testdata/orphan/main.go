// Command orphan is a component that leaves a process behind: on each message it starts a
// process that leaves the process group and starts another one, and ends. It answers with the
// id of the last one, which ends soon.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/plugin"
)

type component struct{}

func (component) HandleMessage(guest.Host, string, []byte) ([]byte, error) {
	return start("parent").Output()
}

// start returns the command that starts this program in a role.
func start(role string) *exec.Cmd {
	c := exec.Command("/proc/self/exe", role)
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return c
}

func main() {
	if len(os.Args) == 1 {
		plugin.Serve(component{})
		return
	}
	if os.Args[1] == "parent" {
		child := start("child")
		if err := child.Start(); err != nil {
			panic(err)
		}
		fmt.Print(child.Process.Pid)
	}
}
