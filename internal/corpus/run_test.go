package corpus

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/airhost/airhost/internal/wasm"
)

// plenty is more fuel than any call here needs.
const plenty = 1 << 50

// step is the result of one command, or the final state of an instance.
type step struct {
	// kind is "" for success, the kind of a trap, or the reason why no code ran; a
	// reason starts with one of the texts below.
	kind   string
	values []uint64
	fuel   int64 // used by the instance so far
}

// transcript is the result of a script: a step for each command, and the final state
// of each instance by the index of the command that created it.
type transcript struct {
	steps []step
	ends  map[int]step
}

// Kinds of a command that runs no code.
const (
	refused = "refused: "  // the engine refused the module
	leftOut = "left out: " // the build could not change the module, or left out the module that is called
	unmade  = "not instantiated: "
)

func (s step) equal(o step) bool { return s.kind == o.kind && slices.Equal(s.values, o.values) }

func (s step) String() string {
	if s.kind != "" {
		return s.kind
	}
	return fmt.Sprintf("%x", s.values)
}

// modules are the modules of a script by file name, read and parsed once.
type modules map[string]*specModule

type specModule struct {
	binary []byte
	module *wasm.Module // nil if err is set
	err    error
}

func (s *script) modules() (modules, error) {
	all := make(modules)
	for _, c := range s.Commands {
		if c.Filename == "" || c.ModuleType == "text" {
			continue
		}
		binary, err := os.ReadFile(filepath.Join(s.dir, c.Filename))
		if err != nil {
			return nil, err
		}
		m := &specModule{binary: binary}
		m.module, m.err = wasm.Parse(binary)
		all[c.Filename] = m
	}
	return all, nil
}

// run is the execution of one script on one engine in one build.
type run struct {
	engine  engine
	build   build
	modules modules
	store   store
	named   map[string]*live
	linked  map[string]instance // by registered name
	current *live
	all     map[int]*live // by the index of the command that created it
	at      int           // index of the current command

	host      func(in instance, module, name string, args []uint64) ([]uint64, error)
	hostCalls int    // host calls of the current command
	hostHash  uint64 // a hash of the arguments of all host calls
}

// live is an instance with the data to create it again.
type live struct {
	in       instance
	tank     *tank
	code     *code
	compiled compiled
	why      string // why there is no instance, or ""
}

// execute runs all commands.
func (s *script) execute(e engine, b build, m modules, spectest []byte) (*transcript, error) {
	r := &run{engine: e, build: b, modules: m, store: e.open(),
		named: make(map[string]*live), linked: make(map[string]instance), all: make(map[int]*live)}
	defer r.store.close()
	if s.host {
		r.host = r.answer
	}
	host, err := r.spectest(spectest)
	if err != nil {
		return nil, err
	}
	r.linked["spectest"] = host
	done := &transcript{ends: make(map[int]step)}
	for r.at = range s.Commands {
		done.steps = append(done.steps, r.command(&s.Commands[r.at]))
	}
	for at, l := range r.all {
		done.ends[at] = l.state()
	}
	return done, nil
}

// spectest instantiates the module that scripts import, unchanged.
func (r *run) spectest(binary []byte) (instance, error) {
	m, err := wasm.Parse(binary)
	if err != nil {
		return nil, err
	}
	made, err := plain.of(binary, m)
	if err != nil {
		return nil, err
	}
	compiled, err := r.store.compile(made)
	if err != nil {
		return nil, err
	}
	return compiled.instantiate(linker{})
}

func (r *run) command(c *command) step {
	switch c.Type {
	case "module":
		l := r.load(c.Filename)
		r.current = l
		if c.Name != "" {
			r.named[c.Name] = l
		}
		return step{kind: l.why}
	case "register":
		if l := r.named[c.Name]; l != nil {
			r.linked[c.As] = l.in
		} else if r.current.in != nil {
			r.linked[c.As] = r.current.in
		}
		return step{}
	case "assert_invalid", "assert_malformed":
		return r.check(c)
	case "assert_unlinkable", "assert_uninstantiable":
		return step{kind: r.load(c.Filename).why}
	}
	return r.act(c)
}

// check runs a command with a module that must be refused.
func (r *run) check(c *command) step {
	if c.ModuleType == "text" {
		return step{}
	}
	code, why := r.make(r.modules[c.Filename])
	if why != "" {
		return step{kind: why}
	}
	if err := r.engine.check(code.binary); err != nil {
		return step{kind: refused + "invalid"}
	}
	return step{}
}

// make returns the module's code, or the reason why there is none.
func (r *run) make(m *specModule) (*code, string) {
	if r.build.name == plain.name { // compiled even if this project refuses it
		return &code{binary: m.binary, made: m.module, plain: m.module}, ""
	}
	if m.err != nil {
		return nil, leftOut + reason(m.err)
	}
	code, err := r.build.of(m.binary, m.module)
	if err != nil {
		return nil, leftOut + reason(err)
	}
	return code, ""
}

func (r *run) load(filename string) *live {
	m := r.modules[filename]
	code, why := r.make(m)
	if why != "" {
		return &live{why: why}
	}
	if err := r.engine.check(code.binary); err != nil {
		return &live{why: refused + "invalid"}
	}
	if m.err != nil { // its types are unknown
		return &live{why: leftOut + reason(m.err)}
	}
	compiled, err := r.store.compile(code)
	if err != nil {
		return &live{why: refused + err.Error()}
	}
	l := &live{code: code, compiled: compiled}
	l.start(r)
	return l
}

// start creates an instance of the code and records it for the final comparison.
func (l *live) start(r *run) {
	l.tank = newTank(r.build.exact, 0)
	in, err := l.compiled.instantiate(linker{instances: r.linked, tank: l.tank, host: r.host})
	if err != nil {
		l.in, l.why = nil, unmade+kindOf(err)
		return
	}
	l.in = in
	if added := &l.code.result; added.CounterGlobal != "" {
		in.setCounter(added.CounterGlobal, l.tank.fill(cmp.Or(r.build.fuel, plenty)))
		if added.StartExport != "" {
			_, err = in.call(added.StartExport, nil)
		}
	}
	if err != nil {
		l.in, l.why = nil, unmade+kindOf(err)
		return
	}
	r.all[r.at] = &live{in: l.in, tank: l.tank, code: l.code}
}

// act runs a command that calls code or reads a global.
func (r *run) act(c *command) step {
	l := r.current
	if c.Action.Module != "" {
		l = r.named[c.Action.Module]
	}
	if l == nil || l.in == nil {
		return step{kind: leftOut + "its module was"}
	}
	if c.Action.Type == "get" {
		values, err := l.in.exported(c.Action.Field)
		return step{kind: kindOf(err), values: values}
	}
	r.hostCalls = 0
	values, err := l.in.call(c.Action.Field, c.args())
	s := step{kind: kindOf(err), values: values, fuel: l.fuel()}
	if r.host != nil {
		s.values = append(s.values, r.hostHash)
	}
	if s.kind == trapStack { // replaces the instance, since a trap does not give back the stack of open calls
		s.fuel = 0
		maps.DeleteFunc(r.all, func(_ int, o *live) bool { return o.in == l.in })
		l.start(r)
	}
	return s
}

// fuel returns the fuel that the instance has used; 0 if the build does not count.
func (l *live) fuel() int64 {
	if l.tank == nil || !l.tank.exact {
		return 0
	}
	return l.tank.used(l.in.counter(l.code.result.CounterGlobal))
}

var seed = maphash.MakeSeed()

// hashed is the part of a memory that is compared at the end, in bytes.
const hashed = 16 << 20

// state returns the final state of an instance.
func (l *live) state() step {
	memory := l.in.memory()
	values := []uint64{uint64(len(memory)), maphash.Bytes(seed, memory[:min(len(memory), hashed)])}
	return step{values: append(values, l.in.globals()...), fuel: l.fuel()}
}
