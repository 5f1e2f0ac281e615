package nemesis

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// patience is the time after which a test stops waiting and fails. The machine may be busy.
const patience = 90 * time.Second

// process is a host or a server.
type process struct {
	name    string
	run     string // name and number, such as a.3
	command *exec.Cmd
	in      io.WriteCloser
	answers chan []byte
	ended   chan struct{} // closed when it has ended
	stopped bool          // by SIGSTOP
	log     string        // file of its standard error
	journal string        // file of a host
	read    int64         // bytes of journal that the history has
	base    *stat         // after its first round
}

// launch starts a process of this test's program in a role, and waits until it is ready.
func launch(n network, directory, role, name string, run int, settings any) (*process, error) {
	text, err := json.Marshal(settings)
	if err != nil {
		return nil, err
	}
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{name: name, run: fmt.Sprintf("%s.%d", name, run), answers: make(chan []byte, 1), ended: make(chan struct{})}
	p.log = filepath.Join(directory, p.run+".log")
	p.journal = journalOf(directory, p.run)
	p.command = exec.Command(program)
	p.command.Env = append(os.Environ(), roleVariable+"="+role, settingsVariable+"="+string(text), "GORACE=atexit_sleep_ms=0 halt_on_error=1")
	log, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p.command.Stderr = log
	if p.in, err = p.command.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := n.start(name, p.command); err != nil {
		return nil, fmt.Errorf("start of %s: %w", p.run, err)
	}
	go p.listen(out)
	if answer, err := p.answer(); err != nil || string(answer) != `"ready"` {
		return nil, errors.Join(fmt.Errorf("start of %s: it says %q: %w", p.run, answer, err), p.kill())
	}
	return p, nil
}

func journalOf(directory, run string) string { return filepath.Join(directory, run+".journal") }

// listen hands on all that the process says, until it ends.
func (p *process) listen(out io.Reader) {
	defer close(p.ended)
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			_ = p.command.Wait() // it was killed, or its log says why
			return
		}
		p.answers <- line[:len(line)-1]
	}
}

func (p *process) answer() ([]byte, error) {
	select {
	case line := <-p.answers:
		return line, nil
	case <-p.ended:
		return nil, fmt.Errorf("%s has ended; its log: %s", p.run, p.lastWords())
	case <-time.After(patience):
		return nil, fmt.Errorf("%s does not answer; its log: %s", p.run, p.lastWords())
	}
}

// ask has a host carry out a command, and reads its answer into one.
func (p *process) ask(c command, answer any) error {
	line, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if _, err := p.in.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("%s: %w; its log: %s", p.run, err, p.lastWords())
	}
	line, err = p.answer()
	if err != nil {
		return err
	}
	return json.Unmarshal(line, answer)
}

func (p *process) alive() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// kill ends a process as kill -9 does. It may be stopped.
func (p *process) kill() error {
	err := p.command.Process.Kill()
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	select {
	case <-p.ended:
	case <-time.After(patience):
		err = errors.Join(err, fmt.Errorf("%s does not end", p.run))
	}
	return err
}

// lastWords is the end of its log.
func (p *process) lastWords() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-6000):])
}
