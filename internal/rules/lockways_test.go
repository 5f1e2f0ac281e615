package rules

import (
	"go/ast"
	"go/token"
	"slices"
)

// block follows statements and returns the states after the last one. No state: the
// place cannot be reached.
func (w *walker) block(list []ast.Stmt, in []lockState) []lockState {
	for _, s := range list {
		in = w.statement(s, "", in)
	}
	return in
}

func (w *walker) statement(s ast.Stmt, label string, in []lockState) []lockState {
	switch s := s.(type) {
	case nil:
		return in
	case *ast.BlockStmt:
		return w.block(s.List, in)
	case *ast.LabeledStmt:
		return w.statement(s.Stmt, s.Label.Name, in)
	case *ast.ReturnStmt:
		w.returns(s.Pos(), w.calls(s, in))
		return nil
	case *ast.BranchStmt:
		w.branch(s, in)
		return nil
	case *ast.GoStmt:
		return w.arguments(s.Call, in)
	case *ast.DeferStmt:
		return w.deferred(s.Call, in)
	case *ast.IfStmt:
		yes, no := w.condition(s.Cond, w.statement(s.Init, "", in))
		return union(w.block(s.Body.List, yes), w.statement(s.Else, "", no))
	case *ast.ForStmt:
		in = w.statement(s.Init, "", in)
		return w.loop(label, s.Cond, s.Body, s.Post, s.Cond != nil, in)
	case *ast.RangeStmt:
		return w.loop(label, nil, s.Body, nil, true, w.calls(s.X, in))
	case *ast.SwitchStmt:
		in = w.statement(s.Init, "", in)
		if s.Tag != nil {
			in = w.calls(s.Tag, in)
		}
		return w.cases(label, s.Body, true, in)
	case *ast.TypeSwitchStmt:
		return w.cases(label, s.Body, true, w.statement(s.Assign, "", w.statement(s.Init, "", in)))
	case *ast.SelectStmt:
		return w.cases(label, s.Body, false, in)
	case *ast.ExprStmt:
		in = w.calls(s.X, in)
		if call, ok := s.X.(*ast.CallExpr); ok {
			if name, _ := called(call); name == "panic" {
				return nil
			}
		}
		return in
	}
	return w.calls(s, in)
}

func union(a, b []lockState) []lockState {
	for _, s := range b {
		if !slices.Contains(a, s) {
			a = append(slices.Clip(a), s)
		}
	}
	return a
}

// condition returns the states in which a condition holds, and in which it does not.
// TryLock must stand alone, or after a "!".
func (w *walker) condition(cond ast.Expr, in []lockState) (yes, no []lockState) {
	if not, ok := cond.(*ast.UnaryExpr); ok && not.Op == token.NOT {
		yes, no = w.condition(not.X, in)
		return no, yes
	}
	if call, ok := cond.(*ast.CallExpr); ok {
		if name, of := called(call); name == "TryLock" {
			return w.each(in, func(s lockState) lockState { return w.lock(call.Pos(), s, of[0]) }), in
		}
	}
	in = w.calls(cond, in)
	return in, in
}

// arguments applies the calls within the arguments of a call that does not run here.
func (w *walker) arguments(call *ast.CallExpr, in []lockState) []lockState {
	if literal, ok := call.Fun.(*ast.FuncLit); ok {
		w.literal(literal, nil)
		w.mistakes = append(w.mistakes, walk(w.files, literal.Body, "", "")...)
	}
	for _, arg := range call.Args {
		in = w.calls(arg, in)
	}
	return in
}

// deferred notes an Unlock for the end. Other calls must leave locks as they are.
func (w *walker) deferred(call *ast.CallExpr, in []lockState) []lockState {
	name, of := called(call)
	if name != "Unlock" && name != "RUnlock" {
		return w.arguments(call, in)
	}
	return w.each(in, func(s lockState) lockState {
		return lockState{s.held, lockState{held: s.deferred}.with(of[0]).held}
	})
}

func (w *walker) branch(s *ast.BranchStmt, in []lockState) {
	for _, t := range slices.Backward(w.targets) {
		if s.Label != nil && s.Label.Name != t.label {
			continue
		}
		switch {
		case s.Tok == token.BREAK:
			t.breaks = union(t.breaks, in)
			return
		case s.Tok == token.CONTINUE && t.loop:
			t.continues = union(t.continues, in)
			return
		case s.Tok == token.FALLTHROUGH:
			t.falls = in
			return
		}
	}
	w.mistake(s.Pos(), "has a %s that this test does not follow", s.Tok)
}

// loop follows a loop until no new state comes up. Each round adds one, and there are
// few: a lock is held or not.
func (w *walker) loop(label string, cond ast.Expr, body *ast.BlockStmt, post ast.Stmt, ends bool, in []lockState) []lockState {
	var out []lockState
	for before := -1; before < len(in); {
		before = len(in)
		t := &target{label: label, loop: true}
		w.targets = append(w.targets, t)
		head := in
		if cond != nil {
			head = w.calls(cond, head)
		}
		after := w.statement(post, "", union(w.block(body.List, head), t.continues))
		w.targets = w.targets[:len(w.targets)-1]
		out = union(out, t.breaks)
		if ends {
			out = union(out, head)
		}
		in = union(in, after)
	}
	return out
}

// cases follows the cases of a switch or a select. If none is the default, a switch may
// run no case.
func (w *walker) cases(label string, body *ast.BlockStmt, mayRunNone bool, in []lockState) []lockState {
	t := &target{label: label}
	w.targets = append(w.targets, t)
	var out []lockState
	for _, s := range body.List {
		switch s := s.(type) {
		case *ast.CaseClause:
			mayRunNone = mayRunNone && s.List != nil
			for _, e := range s.List {
				in = w.calls(e, in)
			}
			from := union(in, t.falls)
			t.falls = nil
			out = union(out, w.block(s.Body, from))
		case *ast.CommClause:
			out = union(out, w.block(s.Body, w.statement(s.Comm, "", in)))
		}
	}
	w.targets = w.targets[:len(w.targets)-1]
	if mayRunNone {
		out = union(out, in)
	}
	return union(out, t.breaks)
}
