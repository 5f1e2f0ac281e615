package wit

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// source is a Go module that has WASI's own texts, and components that tools have made.
const source = "github.com/samyfodil/wazy@v0.7.0"

// sourceDir returns the folder of the module, which only this test downloads.
func sourceDir(t *testing.T) string {
	t.Helper()
	download := exec.Command("go", "mod", "download", "-json", source)
	download.Dir = t.TempDir() // outside of a module, whose go.mod would change
	out, err := download.Output()
	var got struct{ Dir, Error string }
	if err2 := json.Unmarshal(out, &got); err != nil || err2 != nil || got.Dir == "" {
		t.Skipf("%s cannot be had: %v %s", source, err, got.Error)
	}
	return got.Dir
}

// texts are the declarations of WASI's own texts.
type texts struct {
	pkg, in string            // where the reader is: "wasi:io", "wasi:io/poll"
	tokens  []string          // left
	types   map[string]*named // by interface and name: "wasi:io/poll pollable"
	cases   map[string][]string
	funcs   map[string][]function
}

// named is a declared type, which is made when it is used.
type named struct {
	alias string       // the full name of another one, or ""
	make  func() *Type // else
}

type function struct {
	name         string
	self         *Type
	params       []func() *Type
	result       func() *Type
	ofResource   string
	isStatic     bool
	constructing bool
}

var (
	comment = regexp.MustCompile(`//[^\n]*`)
	token   = regexp.MustCompile(`->|[a-z]+:[a-z]+(?:/[a-z-]+)?(?:@[0-9.]+[0-9])?|%?[A-Za-z][A-Za-z0-9-]*|[0-9][0-9.]*|[^\s]`)
)

func readTexts(t *testing.T) *texts {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(sourceDir(t), "build-images/wit/deps/*.wit"))
	if err != nil || len(files) != 7 {
		t.Fatalf("got %d files, %v", len(files), err)
	}
	x := &texts{types: map[string]*named{}, cases: map[string][]string{}, funcs: map[string][]function{}}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		x.tokens = token.FindAllString(comment.ReplaceAllString(string(text), ""), -1)
		x.file()
	}
	return x
}

func (x *texts) next() string {
	next := x.tokens[0]
	x.tokens = x.tokens[1:]
	return strings.TrimPrefix(next, "%")
}

func (x *texts) skip(token string) bool {
	if len(x.tokens) == 0 || x.tokens[0] != token {
		return false
	}
	x.tokens = x.tokens[1:]
	return true
}

func (x *texts) until(token string) (between []string) {
	for !x.skip(token) {
		between = append(between, x.next())
	}
	return between
}

func (x *texts) file() {
	for len(x.tokens) > 0 {
		switch word := x.next(); word {
		case "package":
			x.pkg, _, _ = strings.Cut(x.until(";")[0], "@")
		case "@":
			x.attribute()
		case "world":
			x.until("}")
		case "interface":
			x.in = x.pkg + "/" + x.next()
			x.body()
		default:
			panic("unknown in a package: " + word)
		}
	}
}

func (x *texts) attribute() { x.next(); x.until(")") }

func (x *texts) body() {
	for x.skip("{"); !x.skip("}"); {
		switch word := x.next(); word {
		case "@":
			x.attribute()
		case "use":
			x.use()
		case "resource":
			x.resource(x.next())
		case "type":
			name := x.next()
			x.skip("=")
			x.declare(name, x.typ())
			x.skip(";")
		case "record", "variant", "enum", "flags":
			x.cased(word, x.next())
		default:
			x.routine(word, "")
		}
	}
}

func (x *texts) declare(name string, of func() *Type) { x.types[x.in+" "+name] = &named{make: of} }

func (x *texts) use() {
	from, _, _ := strings.Cut(x.next(), "@")
	if !strings.Contains(from, ":") {
		from = x.pkg + "/" + from
	}
	for x.skip("."); !x.skip(";"); x.next() {
		name := ""
		if x.skip("{"); x.tokens[0] == "}" {
			continue
		}
		name = x.next()
		as := name
		if x.skip("as") {
			as = x.next()
		}
		x.types[x.in+" "+as] = &named{alias: from + " " + name}
	}
}

func (x *texts) resource(name string) {
	x.declare(name, func() *Type { return handle(Own, name) })
	drop := function{name: "[resource-drop]" + name, params: []func() *Type{func() *Type { return handle(Own, name) }}}
	x.funcs[x.in] = append(x.funcs[x.in], drop)
	if x.skip(";") {
		return
	}
	for x.skip("{"); !x.skip("}"); {
		if x.skip("@") {
			x.attribute()
			continue
		}
		x.routine(x.next(), name)
	}
}

// cased reads a type that has a list of fields or cases.
func (x *texts) cased(kind, name string) {
	var names []string
	var types []func() *Type
	for x.skip("{"); !x.skip("}"); x.skip(",") {
		names, types = append(names, x.next()), append(types, func() *Type { return nil })
		if kind == "record" && x.skip(":") || x.skip("(") {
			types[len(types)-1] = x.typ()
			x.skip(")")
		}
	}
	x.cases[x.in+" "+name] = names
	x.declare(name, func() *Type {
		switch made := makeAll(types); kind {
		case "record":
			return tuple(made)
		case "flags":
			return flags(len(made))
		default:
			return variant(made)
		}
	})
}

func makeAll(types []func() *Type) (made []*Type) {
	for _, t := range types {
		made = append(made, t())
	}
	return made
}

// routine reads a function from behind its name on.
func (x *texts) routine(name, of string) {
	f := function{ofResource: of, name: name}
	if name == "constructor" {
		f.constructing = true
	} else {
		x.skip(":")
		f.isStatic = x.skip("static")
		x.skip("func")
	}
	for x.skip("("); !x.skip(")"); x.skip(",") {
		x.next()
		x.skip(":")
		f.params = append(f.params, x.typ())
	}
	if x.skip("->") {
		f.result = x.typ()
	}
	x.skip(";")
	switch {
	case f.constructing:
		f.name, f.result = "[constructor]"+of, func() *Type { return handle(Own, of) }
	case f.isStatic:
		f.name = "[static]" + of + "." + name
	case of != "":
		f.name, f.self = "[method]"+of+"."+name, handle(Borrow, of)
	}
	x.funcs[x.in] = append(x.funcs[x.in], f)
}

// typ reads a type, which is made later, since a file may use another one's.
func (x *texts) typ() func() *Type {
	name, in := x.next(), x.in
	var of []func() *Type
	if x.skip("<") {
		if name == "borrow" {
			name = x.next()
			x.skip(">")
			return func() *Type { return handle(Borrow, x.find(in+" "+name).Resource) }
		}
		for !x.skip(">") {
			if x.skip("_") {
				of = append(of, func() *Type { return nil })
			} else {
				of = append(of, x.typ())
			}
			x.skip(",")
		}
	}
	return func() *Type {
		switch made := makeAll(of); name {
		case "list":
			return list(made[0])
		case "tuple":
			return tuple(made)
		case "option":
			return variant([]*Type{nil, made[0]})
		case "result":
			return variant(append(made, nil, nil)[:2])
		}
		if t := word(name); t != nil {
			return t
		}
		return x.find(in + " " + name)
	}
}

func (x *texts) find(name string) *Type {
	n := x.types[name]
	for n != nil && n.alias != "" {
		n = x.types[n.alias]
	}
	if n == nil {
		panic("unknown type " + name)
	}
	return n.make()
}
