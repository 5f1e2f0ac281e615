package rules

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

// TestCommentsBeginWithTheirName: no comment has stayed behind when its
// declaration was renamed or moved.
func TestCommentsBeginWithTheirName(t *testing.T) {
	for _, file := range written(t, "*.go") {
		files := token.NewFileSet()
		f, err := parser.ParseFile(files, filepath.Join(root, file), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, stale := range staleComments(files, f) {
			t.Errorf("%s: %s", file, stale)
		}
	}
}

// otherName fits the first word of a comment that can only be an identifier: an
// ordinary sentence begins with a capital letter.
var otherName = regexp.MustCompile(`^([a-z]\w*|(Test|Fuzz|Benchmark|Example)[A-Z]\w*)(:|'s)? `)

// staleComments returns a line for each comment that begins with another name than
// the declaration below it has.
func staleComments(files *token.FileSet, f *ast.File) (stale []string) {
	check := func(doc *ast.CommentGroup, names ...*ast.Ident) {
		m := otherName.FindStringSubmatch(doc.Text())
		if m == nil || slices.ContainsFunc(names, func(n *ast.Ident) bool { return n.Name == m[1] }) {
			return
		}
		stale = append(stale, fmt.Sprintf("line %d: the comment on %s begins with %q", files.Position(doc.Pos()).Line, names[0].Name, m[1]))
	}
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			check(d.Doc, d.Name)
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				doc := func(own *ast.CommentGroup) *ast.CommentGroup {
					if own == nil && !d.Lparen.IsValid() {
						return d.Doc
					}
					return own
				}
				switch s := spec.(type) {
				case *ast.TypeSpec:
					check(doc(s.Doc), s.Name)
				case *ast.ValueSpec:
					check(doc(s.Doc), s.Names...)
				}
			}
		}
	}
	return stale
}

func TestStaleComments(t *testing.T) {
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, "made_up.go", `package p

// start begins.
func start() {}

// A stop ends.
func stop() {}

// Sentences may begin with any word.
func sentence() {}

// start ends.
func end() {}

// TestOld: checks.
func TestNew() {}

const (
	// one is 1.
	one = 1
	// one is 2.
	two = 2
)

// left and right are sides.
var left, right int
`, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`line 12: the comment on end begins with "start"`,
		`line 15: the comment on TestNew begins with "TestOld"`,
		`line 21: the comment on two begins with "one"`,
	}
	if got := staleComments(files, f); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
