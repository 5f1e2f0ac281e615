//go:build !unix

package nemesis

// freeze does nothing: this system stops no process.
func (p *process) freeze() error { return nil }
func (p *process) thaw() error   { return nil }
