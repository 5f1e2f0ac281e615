package wit

import (
	"fmt"
	"strconv"
	"strings"
)

// parser reads the table of interfaces, line by line:
//
//	wasi:io/poll                     an interface
//	resource pollable, other         resources that it defines
//	name = variant<_, string>        a type, known from here on
//	poll(list<pollable>) list<u32>   a function
//	pollable.ready() bool            a method, ::name() a static one
//	new pollable(u32)                a constructor
//
// Names are known in all interfaces. A resource's name is an own handle.
type parser struct {
	all   []Interface
	named map[string]*Type
	owned map[string]bool // the names of resources
	rest  string          // of the line
}

func parse(table string) []Interface {
	p := &parser{named: map[string]*Type{}, owned: map[string]bool{}}
	for line := range strings.Lines(table) {
		if p.rest = strings.TrimSpace(line); p.rest != "" {
			p.line()
		}
	}
	return p.all
}

func (p *parser) line() {
	switch name := p.name(); {
	case strings.HasPrefix(name, "wasi:"):
		p.all = append(p.all, Interface{Name: name})
	case name == "resource":
		for more := true; more; more = p.skip(",") {
			p.resource(p.name())
		}
	case p.skip("="):
		p.named[name] = p.typ()
	case name == "new":
		of := p.name()
		p.function("[constructor]"+of, nil, handle(Own, of))
	default:
		p.routine(name)
	}
	if p.rest != "" {
		panic(fmt.Sprintf("wit: a line of the table ends with %q", p.rest))
	}
}

func (p *parser) routine(name string) {
	if of, method, ok := strings.Cut(name, "::"); ok {
		p.function("[static]"+of+"."+method, nil, nil)
	} else if of, _, ok := strings.Cut(name, "."); ok {
		p.function("[method]"+name, handle(Borrow, of), nil)
	} else {
		p.function(name, nil, nil)
	}
}

func (p *parser) resource(name string) {
	p.owned[name] = true
	p.add(&Func{Name: "[resource-drop]" + name, Params: []*Type{handle(Own, name)}})
}

// function reads a function from its parameters on.
func (p *parser) function(name string, self, result *Type) {
	f := &Func{Name: name, Result: result}
	if self != nil {
		f.Params = append(f.Params, self)
	}
	p.want("(")
	f.Params = append(f.Params, p.types(")")...)
	if p.rest != "" {
		f.Result = p.typ()
	}
	p.add(f)
}

func (p *parser) add(f *Func) {
	in := &p.all[len(p.all)-1]
	f.Interface = in.Name
	f.lower()
	in.Funcs = append(in.Funcs, f)
}

// types reads types up to the end.
func (p *parser) types(end string) (types []*Type) {
	for !p.skip(end) {
		if p.skip("_") {
			types = append(types, nil)
		} else {
			types = append(types, p.typ())
		}
		p.skip(",")
	}
	return types
}

func (p *parser) typ() *Type {
	name := p.name()
	if t := word(name); t != nil {
		return t
	}
	if t := p.named[name]; t != nil {
		return t
	}
	if p.owned[name] {
		return handle(Own, name)
	}
	if name == "borrow" || name == "enum" || name == "flags" {
		return p.counted(name)
	}
	var of []*Type
	if p.skip("<") {
		of = p.types(">")
	}
	switch name {
	case "list":
		return list(of[0])
	case "tuple":
		return tuple(of)
	case "variant":
		return variant(of)
	case "option":
		return variant([]*Type{nil, of[0]})
	case "result":
		return variant(append(of, nil, nil)[:2])
	}
	panic("wit: the table has the unknown type " + name)
}

// counted reads the name or number that follows a type.
func (p *parser) counted(of string) *Type {
	p.want("<")
	argument := p.name()
	p.want(">")
	if of == "borrow" {
		return handle(Borrow, argument)
	}
	n, err := strconv.Atoi(argument)
	if err != nil {
		panic(err)
	}
	if of == "flags" {
		return flags(n)
	}
	return variant(make([]*Type, n))
}

func (p *parser) name() string {
	end := strings.IndexAny(p.rest, " ,<>()=")
	if end < 0 {
		end = len(p.rest)
	}
	name := p.rest[:end]
	p.rest = strings.TrimSpace(p.rest[end:])
	return name
}

func (p *parser) skip(token string) bool {
	rest, ok := strings.CutPrefix(p.rest, token)
	p.rest = strings.TrimSpace(rest)
	return ok
}

func (p *parser) want(token string) {
	if !p.skip(token) {
		panic(fmt.Sprintf("wit: the table has %q in place of %q", p.rest, token))
	}
}
