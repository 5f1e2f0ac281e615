package rules

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"path"
	"slices"
	"strings"
	"testing"
)

// The largest sizes of code that is not in tests. A part that outgrows one is split.
const (
	mostLines       = 42
	mostLinesOfFile = 450
	mostCyclomatic  = 18 // independent ways through a function
	mostNesting     = 4  // statements and function literals that stand in each other
	mostParameters  = 7
	mostMethods     = 7 // of an interface
)

// TestSizes: functions, files and interfaces are small, exported names have comments,
// and one function of the host writes a component's status.
func TestSizes(t *testing.T) {
	var writers []string
	for _, file := range written(t, "*.go", ":!*_test.go") {
		mistakes, writes := sizes(t, file, contents(t, file))
		for _, mistake := range mistakes {
			t.Error(mistake)
		}
		if path.Dir(file) == "core/host" {
			writers = append(writers, writes...)
		}
	}
	if len(writers) != 1 {
		t.Errorf("the status of a component is written at %q, want one place", writers)
	}
}

// sizes returns a line for each mistake in a file, and the places that write a field
// named status.
func sizes(t *testing.T, name string, content []byte) (mistakes, writers []string) {
	t.Helper()
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, name, content, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	check := func(n ast.Node, of string, got, most int) {
		if got > most {
			mistakes = append(mistakes, fmt.Sprintf("%s: %s: %d, want at most %d", files.Position(n.Pos()), of, got, most))
		}
	}
	check(f, "lines of a file", bytes.Count(content, []byte("\n")), mostLinesOfFile)
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			check(n, "lines of a function", files.Position(n.End()).Line-files.Position(n.Pos()).Line+1, mostLines)
			cyclomatic, nesting := complexity(n)
			check(n, "cyclomatic complexity", cyclomatic, mostCyclomatic)
			check(n, "nesting", nesting, mostNesting)
		case *ast.FuncType:
			check(n, "parameters", n.Params.NumFields(), mostParameters)
		case *ast.InterfaceType:
			check(n, "methods of an interface", n.Methods.NumFields(), mostMethods)
		case *ast.AssignStmt:
			for _, to := range n.Lhs {
				if field, ok := to.(*ast.SelectorExpr); ok && field.Sel.Name == "status" {
					writers = append(writers, files.Position(n.Pos()).String())
				}
			}
		}
		return true
	})
	for _, n := range undocumented(f) {
		mistakes = append(mistakes, fmt.Sprintf("%s: an exported name without a comment", files.Position(n.Pos())))
	}
	return mistakes, writers
}

// complexity returns a function's cyclomatic complexity, and how many statements and
// function literals stand in each other. An "else if" stands beside its "if".
func complexity(f *ast.FuncDecl) (cyclomatic, nesting int) {
	cyclomatic = 1
	ast.PreorderStack(f, nil, func(n ast.Node, outer []ast.Node) bool {
		switch n := n.(type) {
		case *ast.IfStmt, *ast.ForStmt, *ast.RangeStmt:
			cyclomatic++
		case *ast.CaseClause:
			cyclomatic += min(1, len(n.List))
		case *ast.CommClause:
			if n.Comm != nil {
				cyclomatic++
			}
		case *ast.BinaryExpr:
			if n.Op == token.LAND || n.Op == token.LOR {
				cyclomatic++
			}
		}
		nesting = max(nesting, depth(append(outer, n)))
		return true
	})
	return cyclomatic, nesting
}

// depth counts the nodes that make the code in them deeper.
func depth(nodes []ast.Node) (deep int) {
	for i, n := range nodes {
		switch n := n.(type) {
		case *ast.IfStmt:
			if before, ok := nodes[i-1].(*ast.IfStmt); !ok || before.Else != n {
				deep++
			}
		case *ast.ForStmt, *ast.RangeStmt, *ast.SwitchStmt, *ast.TypeSwitchStmt, *ast.SelectStmt, *ast.FuncLit:
			deep++
		}
	}
	return deep
}

// undocumented returns the declarations of f that export names without a comment, and
// leaves only exported names in f.
func undocumented(f *ast.File) (nodes []ast.Node) {
	ast.FileExports(f)
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			of := d.Recv == nil || ast.IsExported(strings.TrimPrefix(types.ExprString(d.Recv.List[0].Type), "*"))
			if of && d.Doc == nil {
				nodes = append(nodes, d)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				var doc, comment *ast.CommentGroup
				switch s := spec.(type) {
				case *ast.TypeSpec:
					doc, comment = s.Doc, s.Comment
				case *ast.ValueSpec:
					doc, comment = s.Doc, s.Comment
				}
				if d.Doc == nil && doc == nil && comment == nil {
					nodes = append(nodes, spec)
				}
			}
		}
	}
	return nodes
}

// TestSizeBounds measures made-up code at each bound, and beyond it.
func TestSizeBounds(t *testing.T) {
	repeat := strings.Repeat
	for _, test := range []struct {
		of     string
		most   int
		source func(n int) string
	}{
		{"lines of a file", mostLinesOfFile, func(n int) string { return "package p" + repeat("\n", n) }},
		{"lines of a function", mostLines, func(n int) string { return "package p; func f() {" + repeat("\n", n-1) + "}" }},
		{"cyclomatic complexity", mostCyclomatic, func(n int) string { return "package p; func f() {" + repeat("if a {}; ", n-1) + "}" }},
		{"nesting", mostNesting, func(n int) string { return "package p; func f() {" + repeat("for {", n) + repeat("}", n) + "}" }},
		{"parameters", mostParameters, func(n int) string { return "package p; func f(" + repeat("int, ", n) + ")" }},
		{"methods of an interface", mostMethods, func(n int) string { return "package p; type i interface {" + repeat("m(); ", n) + "}" }},
	} {
		if got, _ := sizes(t, "a.go", []byte(test.source(test.most))); len(got) != 0 {
			t.Errorf("at the bound: got %q", got)
		}
		want := fmt.Sprintf("%s: %d, want at most %d", test.of, test.most+1, test.most)
		if got, _ := sizes(t, "a.go", []byte(test.source(test.most+1))); len(got) != 1 || !strings.HasSuffix(got[0], want) {
			t.Errorf("beyond the bound: got %q, want %q", got, want)
		}
	}
}

func TestComplexity(t *testing.T) {
	for body, want := range map[string][2]int{
		"":                       {1, 0},
		"if a && b || c { d() }": {4, 1},
		"if a { } else if b { } else { for { } }":            {4, 2},
		"for range a { if b { }; if c { } }":                 {4, 2},
		"switch a { case 1, 2: if b { }; case 3: default: }": {4, 2},
		"switch a.(type) { case int: for { } }":              {3, 2},
		"select { case <-a: if b { }; default: }":            {3, 2},
		"defer func() { if a { } }()":                        {2, 2},
	} {
		f, err := parser.ParseFile(token.NewFileSet(), "a.go", "package p; func f() {"+body+"}", 0)
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		cyclomatic, nesting := complexity(f.Decls[0].(*ast.FuncDecl))
		if got := [2]int{cyclomatic, nesting}; got != want {
			t.Errorf("%s: got complexity and nesting %v, want %v", body, got, want)
		}
	}
}

func TestUndocumentedAndWriters(t *testing.T) {
	got, writers := sizes(t, "a.go", []byte(`package p
type A int
type b int
func C() {}
func (a *A) D() { a.status = 1 }
func (b) E(a A) { x, a.status.y = a.status, 1 }
const F, g = 1, 2
var (
	H int
	I int // I counts.
	// J counts.
	J int
)
// K is documented.
type K struct{ status int }
// L and M are documented.
const (
	L = 1
	M = 2
)
var _ = A(1)
`))
	for i, line := range []int{2, 4, 5, 7, 9} {
		want := fmt.Sprintf("a.go:%d:", line)
		if len(got) != 5 || !strings.HasPrefix(got[i], want) {
			t.Fatalf("got %q, want five mistakes; number %d at %s", got, i, want)
		}
	}
	if want := []string{"a.go:5:19"}; !slices.Equal(writers, want) {
		t.Errorf("the status is written at %q, want %q", writers, want)
	}
}
