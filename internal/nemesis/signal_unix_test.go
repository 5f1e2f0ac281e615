//go:build unix

package nemesis

import "syscall"

// freeze stops a process as SIGSTOP does, and thaw lets it go on.
func (p *process) freeze() error {
	p.stopped = true
	return p.command.Process.Signal(syscall.SIGSTOP)
}

func (p *process) thaw() error {
	p.stopped = false
	return p.command.Process.Signal(syscall.SIGCONT)
}
