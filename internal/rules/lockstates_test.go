package rules

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"regexp"
	"slices"
	"strings"
)

// Names tell the state of a lock. The lock is the field mu of the receiver or of a
// parameter:
//
//	fooLocked     is called, and returns, with it held
//	fooAndUnlock  is called with it held, and releases it
//	lockAndFoo    takes it, and returns with it held
//
// Every other function is called without locks of its own, and releases all that it
// takes.
func isLocked(name string) bool  { return strings.HasSuffix(name, "Locked") }
func unlocks(name string) bool   { return strings.HasSuffix(name, "AndUnlock") }
func takesLock(name string) bool { return strings.HasPrefix(name, "lockAnd") }

// ofLocks are the methods of mutexes themselves.
var ofLocks = []string{"Lock", "Unlock", "RLock", "RUnlock", "lockPartner"}

var heldInComment = regexp.MustCompile(`\bmu (is )?held\b|caller holds \w+\.mu\b`)

// lockMistakes returns a line for each place where a function leaves a lock in another
// state than its name says. It follows each way through the function.
func lockMistakes(files *token.FileSet, f *ast.FuncDecl) []string {
	name := f.Name.Name
	if f.Body == nil || slices.Contains(ofLocks, name) {
		return nil
	}
	if heldInComment.MatchString(f.Doc.Text()) && !isLocked(name) && !unlocks(name) {
		return []string{"its comment says that a lock is held: name it …Locked or …AndUnlock"}
	}
	if !isLocked(name) && !unlocks(name) && !takesLock(name) {
		return walk(files, f.Body, "", "")
	}
	var first []string
	for _, key := range ownLocks(f) {
		begin, end := key, key
		if unlocks(name) {
			end = ""
		} else if takesLock(name) {
			begin = ""
		}
		mistakes := walk(files, f.Body, begin, end)
		if len(mistakes) == 0 {
			return nil
		} else if first == nil {
			first = mistakes
		}
	}
	return first
}

// ownLocks returns the locks of the receiver and of the parameters.
func ownLocks(f *ast.FuncDecl) (keys []string) {
	fields := f.Type.Params.List
	if f.Recv != nil {
		fields = slices.Concat(f.Recv.List, fields)
	}
	for _, field := range fields {
		for _, name := range field.Names {
			keys = append(keys, name.Name+".mu")
		}
	}
	return keys
}

// lockState is a possible state at a place in a function. Both fields are sorted lists
// of locks, such as "c.mu h.mu".
type lockState struct{ held, deferred string }

func (s lockState) has(key string) bool { return slices.Contains(strings.Fields(s.held), key) }

func (s lockState) with(key string) lockState {
	keys := append(strings.Fields(s.held), key)
	slices.Sort(keys)
	return lockState{strings.Join(keys, " "), s.deferred}
}

func (s lockState) without(key string) lockState {
	keys := slices.DeleteFunc(strings.Fields(s.held), func(k string) bool { return k == key })
	return lockState{strings.Join(keys, " "), s.deferred}
}

// walker follows the ways through one function.
type walker struct {
	files    *token.FileSet
	end      string              // the locks that must be held at each return
	aliases  map[string][]string // by variable: other variables that it may be a copy of
	targets  []*target
	mistakes []string
}

// target is a statement that break, continue or fallthrough may lead to.
type target struct {
	label                    string
	loop                     bool
	breaks, continues, falls []lockState
}

// walk returns the mistakes in a function's body, which begins with the locks of begin
// held.
func walk(files *token.FileSet, body *ast.BlockStmt, begin, end string) []string {
	w := &walker{files: files, end: end, aliases: aliases(body)}
	w.returns(body.Rbrace, w.block(body.List, []lockState{{held: begin}}))
	return w.mistakes
}

func aliases(body *ast.BlockStmt) map[string][]string {
	of := make(map[string][]string)
	ast.Inspect(body, func(n ast.Node) bool {
		if s, ok := n.(*ast.AssignStmt); ok && len(s.Lhs) == len(s.Rhs) {
			for i := range s.Lhs {
				left, _ := s.Lhs[i].(*ast.Ident)
				right, _ := s.Rhs[i].(*ast.Ident)
				if left != nil && right != nil {
					of[left.Name] = append(of[left.Name], right.Name)
				}
			}
		}
		return true
	})
	return of
}

func (w *walker) mistake(at token.Pos, format string, args ...any) {
	text := fmt.Sprintf("line %d ", w.files.Position(at).Line) + fmt.Sprintf(format, args...)
	if !slices.Contains(w.mistakes, text) {
		w.mistakes = append(w.mistakes, text)
	}
}

func (w *walker) returns(at token.Pos, in []lockState) {
	for _, s := range in {
		for _, key := range strings.Fields(s.deferred) {
			s = w.unlock(at, s, key)
		}
		if s.held != w.end {
			w.mistake(at, "returns with %s held, want %s", or(s.held), or(w.end))
		}
	}
}

func or(keys string) string {
	if keys == "" {
		return "no lock"
	}
	return keys
}

func (w *walker) lock(at token.Pos, s lockState, key string) lockState {
	if s.has(key) {
		w.mistake(at, "locks %s twice", key)
		return s
	}
	return s.with(key)
}

func (w *walker) unlock(at token.Pos, s lockState, key string) lockState {
	if !s.has(key) {
		w.mistake(at, "unlocks %s, which is not held", key)
	}
	return s.without(key)
}

// calls applies the calls within a statement, the inner ones first.
func (w *walker) calls(n ast.Node, in []lockState) []lockState {
	var open []ast.Node
	ast.Inspect(n, func(n ast.Node) bool {
		if n != nil {
			literal, ok := n.(*ast.FuncLit)
			if ok {
				w.literal(literal, in)
				return false
			}
			open = append(open, n)
			return true
		}
		last := open[len(open)-1]
		open = open[:len(open)-1]
		if call, ok := last.(*ast.CallExpr); ok {
			in = w.each(in, func(s lockState) lockState { return w.call(call, s) })
		}
		return true
	})
	return in
}

// literal checks a function literal, which may run at once or later: it must be right
// with the locks held that are held here, or with none.
func (w *walker) literal(f *ast.FuncLit, in []lockState) {
	later := walk(w.files, f.Body, "", "")
	for _, s := range in {
		if len(later) > 0 && len(walk(w.files, f.Body, s.held, s.held)) > 0 {
			w.mistakes = append(w.mistakes, later...)
		}
	}
}

func (w *walker) each(in []lockState, apply func(lockState) lockState) (out []lockState) {
	for _, s := range in {
		if s = apply(s); !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

func (w *walker) call(call *ast.CallExpr, s lockState) lockState {
	name, of := called(call)
	switch {
	case len(of) == 0:
	case name == "Lock" || name == "RLock" || name == "lockPartner":
		return w.lock(call.Pos(), s, of[0])
	case name == "Unlock" || name == "RUnlock":
		return w.unlock(call.Pos(), s, of[0])
	case takesLock(name):
		return w.lock(call.Pos(), s, of[0]+".mu")
	case isLocked(name) || unlocks(name):
		for _, v := range of {
			of = append(of, w.aliases[v]...)
		}
		i := slices.IndexFunc(strings.Fields(s.held), func(key string) bool { return guards(key, of) })
		if i < 0 {
			w.mistake(call.Pos(), "calls %s without a lock", name)
		} else if unlocks(name) {
			return s.without(strings.Fields(s.held)[i])
		}
	}
	return s
}

// called returns the name of the function that is called, and its receiver and
// arguments as texts.
func called(call *ast.CallExpr) (name string, of []string) {
	switch f := call.Fun.(type) {
	case *ast.SelectorExpr:
		name, of = f.Sel.Name, []string{types.ExprString(f.X)}
	case *ast.Ident:
		name = f.Name
	}
	for _, arg := range call.Args {
		of = append(of, types.ExprString(arg))
	}
	return name, of
}

// guards reports whether a lock is that of one of the values, or of a struct that one
// of them is in.
func guards(key string, of []string) bool {
	owner := key[:max(0, strings.LastIndexByte(key, '.'))]
	return slices.ContainsFunc(of, func(v string) bool { return v == owner || strings.HasPrefix(v, owner+".") })
}
