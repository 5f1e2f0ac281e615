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

// plenty is fuel that no call here uses up.
const plenty = 1 << 50

// step is what came of one command, or what an instance is like at the end.
type step struct {
	// kind says how the command ended: "" as it should, else the kind of the trap,
	// or why there is nothing to run, which begins with one of the texts below.
	kind   string
	values []uint64
	fuel   int64 // that the instance has used so far
}

// transcript is what came of a script: a step for each command, and for each instance
// what it is like at the end, by the command that made it.
type transcript struct {
	steps []step
	ends  map[int]step
}

// Ends of a command that runs no code.
const (
	refused = "refused: "  // by the engine
	leftOut = "left out: " // by what changes the code, or because its module was
	unmade  = "not instantiated: "
)

func (s step) equal(o step) bool { return s.kind == o.kind && slices.Equal(s.values, o.values) }

func (s step) String() string {
	if s.kind != "" {
		return s.kind
	}
	return fmt.Sprintf("%x", s.values)
}

// modules are the binaries of a script, read and parsed once.
type modules map[string]*specModule

type specModule struct {
	binary []byte
	module *wasm.Module // nil if err is not
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

// run is one script on one engine in one build.
type run struct {
	engine  engine
	build   build
	modules modules
	store   store
	named   map[string]*live
	linked  map[string]instance // by the names that are registered
	current *live
	all     map[int]*live // by the command that made it
	at      int           // of the command at hand

	host  func(in instance, module, name string, args []uint64) ([]uint64, error)
	asked int    // times that the host was asked in the command at hand
	heard uint64 // a hash of all that it was asked
}

// live is an instance and how it was made.
type live struct {
	in       instance
	tank     *tank
	code     *code
	compiled compiled
	why      string // it is not there, or ""
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

// spectest instantiates what scripts import, as it is.
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

// check is for modules that are to be refused.
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

// make returns the module's code, or says why there is none.
func (r *run) make(m *specModule) (*code, string) {
	if r.build.name == plain.name { // whatever this project makes of it
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
	if m.err != nil { // its types are not known
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

// start makes an instance of the code, and notes it for the end.
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
	r.asked = 0
	values, err := l.in.call(c.Action.Field, c.args())
	s := step{kind: kindOf(err), values: values, fuel: l.fuel()}
	if r.host != nil {
		s.values = append(s.values, r.heard)
	}
	if s.kind == trapStack { // the end of an instance, as calls that were open are not given back
		s.fuel = 0
		maps.DeleteFunc(r.all, func(_ int, o *live) bool { return o.in == l.in })
		l.start(r)
	}
	return s
}

// fuel returns what the instance has used, 0 in builds that do not count.
func (l *live) fuel() int64 {
	if l.tank == nil || !l.tank.exact {
		return 0
	}
	return l.tank.used(l.in.counter(l.code.result.CounterGlobal))
}

var seed = maphash.MakeSeed()

// hashed is as much of a memory as is compared at the end.
const hashed = 16 << 20

// state is what an instance is like at the end.
func (l *live) state() step {
	memory := l.in.memory()
	values := []uint64{uint64(len(memory)), maphash.Bytes(seed, memory[:min(len(memory), hashed)])}
	return step{values: append(values, l.in.globals()...), fuel: l.fuel()}
}
