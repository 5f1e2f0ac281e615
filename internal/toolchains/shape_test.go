package toolchains_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/airhost/airhost/internal/component"
	"github.com/airhost/airhost/internal/golden"
	"github.com/airhost/airhost/internal/toolchains"
	"github.com/airhost/airhost/internal/wasm"
)

// TestShapes: the parts of each component are those of its file in testdata: a new version of a
// tool that makes others is noticed. docs/components.md has a table of them.
func TestShapes(t *testing.T) {
	for _, f := range toolchains.Fixtures {
		if f.Extra {
			continue
		}
		t.Run(f.Name, func(t *testing.T) {
			binary, err := os.ReadFile(f.Build(t))
			if err != nil {
				t.Fatal(err)
			}
			c, err := component.Decode(binary)
			if err != nil {
				t.Fatal(err)
			}
			golden.Check(t, f.Name+".txt", shape(t, c))
		})
	}
}

// shape lists the parts of a component: core modules with the modules that they import from,
// imports, exports, and how often it has each canonical definition and option.
func shape(t *testing.T, c *component.Component) string {
	t.Helper()
	var text strings.Builder
	counts := map[string]int{}
	walk(c, func(node component.Node) {
		switch n := node.(type) {
		case *component.Module:
			fmt.Fprintf(&text, "core module from %s\n", imported(t, n.Data))
		case *component.CoreInstance:
			counts["core instances"]++
		case *component.Component:
			counts["components in it"]++
		case *component.Canon:
			counts["canon "+n.Op.String()]++
			for _, o := range n.Options {
				counts["option "+o.Kind.String()]++
			}
		}
	})
	for _, d := range c.Defs {
		switch n := d.Node.(type) {
		case *component.Import:
			fmt.Fprintln(&text, "import", n.Name.Name)
		case *component.Export:
			fmt.Fprintln(&text, "export", n.Name.Name)
		}
	}
	var all []string
	for name, n := range counts {
		all = append(all, fmt.Sprintf("%s: %d\n", name, n))
	}
	slices.Sort(all)
	return text.String() + strings.Join(all, "")
}

// walk calls do with all definitions of a component and of those in it.
func walk(c *component.Component, do func(component.Node)) {
	for _, d := range c.Defs {
		do(d.Node)
		if inner, ok := d.Node.(*component.Component); ok {
			walk(inner, do)
		}
	}
}

// imported lists the modules that a core module imports from.
func imported(t *testing.T, module []byte) string {
	t.Helper()
	m, err := wasm.Parse(module)
	if err != nil {
		t.Fatal(err)
	}
	var from []string
	for _, i := range m.Imports {
		if !slices.Contains(from, i.Module) {
			from = append(from, i.Module)
		}
	}
	slices.Sort(from)
	if len(from) == 0 {
		return "nothing"
	}
	return fmt.Sprintf("%q", from)
}
