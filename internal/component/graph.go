package component

import (
	"slices"

	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/fuse"
	"github.com/airhost/airhost/internal/wasm"
)

// graphed makes the graph of a component's core instances, of which package fuse makes one
// module. Adapters of WASI preview 1 are left out, as in the shape of wit-component.
type graphed struct {
	*bundle
	graph   fuse.Graph
	modules map[*Module]int
	kept    []bool
	index   []int // of instances in the graph
	flat    []string
	unused  map[*coreItem]bool // only adapters get it from the table of a shim
	lifts   []*options         // of functions that are lifted
	lowers  []*options         // of functions that are lowered
}

// fuse returns one core module of a component of any shape that the host can run.
func (b *bundle) fuse() (*wasm.Module, error) {
	g := &graphed{bundle: b, modules: make(map[*Module]int), kept: make([]bool, len(b.instances)), index: make([]int, len(b.instances))}
	for i := range b.instances {
		if r := b.roles[i]; r != roleList && r != roleAdapter {
			g.keep(i)
		}
	}
	g.findUnused()
	for i := range b.instances {
		if g.kept[i] {
			g.index[i] = len(g.graph.Instances)
			g.graph.Instances = append(g.graph.Instances, g.instance(i))
		}
	}
	if err := g.exports(); err != nil {
		return nil, err
	}
	m, err := fuse.Fuse(g.graph)
	if err != nil {
		return nil, err
	}
	return m, g.joinPosts(m)
}

// keep keeps an instance and those that it needs.
func (g *graphed) keep(i int) {
	if g.kept[i] {
		return
	}
	g.kept[i] = true
	c := &g.instances[i]
	for _, a := range c.args {
		g.keep(int(a.Instance))
	}
	if c.module != nil {
		return
	}
	for _, item := range c.exports {
		if item.canon == nil && !g.preview1(item) {
			g.keep(item.instance)
		}
	}
}

// findUnused finds the functions in tables of shims that only adapters call, which are left
// out.
func (g *graphed) findUnused() {
	used := make(map[place]bool)
	for i := range g.instances {
		c := &g.instances[i]
		if !g.kept[i] || c.module != nil {
			continue
		}
		for _, item := range c.exports {
			if s := g.shims[item.instance]; item.canon == nil && s != nil {
				used[place{item.instance, s.slots[item.name]}] = true
			}
		}
	}
	g.unused = make(map[*coreItem]bool)
	for at, item := range g.fills {
		if !used[at] {
			g.unused[item] = true
		}
	}
}

// preview1 reports whether an item is a function that an adapter has, and the host too.
func (g *graphed) preview1(item *coreItem) bool {
	return item.canon == nil && item.sort == CoreFunc && g.roles[item.instance] == roleAdapter && preview1[item.name]
}

func (g *graphed) instance(i int) fuse.Instance {
	c := &g.instances[i]
	if c.module == nil {
		out := fuse.Instance{Module: fuse.Synthesized}
		for name, item := range c.exports {
			out.Exports = append(out.Exports, fuse.Export{Name: name, Item: g.item(item)})
		}
		slices.SortFunc(out.Exports, func(a, b fuse.Export) int { return compare(a.Name, b.Name) })
		return out
	}
	at, ok := g.modules[c.module]
	if !ok {
		at = len(g.graph.Modules)
		g.modules[c.module] = at
		g.graph.Modules = append(g.graph.Modules, c.module.Data)
	}
	out := fuse.Instance{Module: at}
	for _, a := range c.args {
		out.Arguments = append(out.Arguments, fuse.Argument{Module: a.Name, Instance: g.index[a.Instance]})
	}
	return out
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// item returns an item for the graph. A function that the host does not have traps.
func (g *graphed) item(item *coreItem) fuse.Item {
	if g.preview1(item) {
		return fuse.Host(abi.WASI, item.name, nil)
	}
	if item.canon == nil {
		return fuse.Of(g.index[item.instance], wasm.Kind(item.sort), item.name)
	}
	if g.unused[item] {
		return fuse.Trap("a function of an adapter", nil)
	}
	if module, name, ok := hostNames(item.canon); ok {
		o := &item.canon.options
		g.lowers = append(g.lowers, o)
		host := fuse.Host(module, name, nil)
		host.Memory, host.Realloc = g.option(o.memory), g.option(o.realloc)
		return host
	}
	return fuse.Trap(item.canon.text(), nil)
}

// option returns the item of an option, or nil.
func (g *graphed) option(item *coreItem) *fuse.Item {
	if item == nil || item.canon != nil || !g.kept[item.instance] {
		return nil
	}
	of := g.item(item)
	return &of
}

// exports adds the exports of the result: the functions that the component exports with
// their post-returns, the memory, and the function that allocates.
func (g *graphed) exports() error {
	export := func(name string, item *coreItem) {
		g.graph.Exports = append(g.graph.Exports, fuse.Export{Name: name, Item: g.item(item)})
	}
	all, err := g.lifted()
	if err != nil {
		return err
	}
	for _, l := range all {
		item := l.fn.lifted
		if item.canon != nil || g.preview1(item) || !g.kept[item.instance] {
			continue
		}
		g.lifts = append(g.lifts, &l.fn.options)
		export(l.name, item)
		if post := l.fn.options.post; post != nil && post.canon == nil && g.kept[post.instance] {
			export(postPrefix+l.name, post)
			if l.fn.options.memory == nil {
				g.flat = append(g.flat, l.name)
			}
		}
	}
	memory, realloc, err := g.shared()
	if memory != nil {
		export(abi.Memory, memory)
	}
	if realloc != nil {
		export(abi.Realloc, realloc)
		g.graph.Realloc = abi.Realloc
	}
	return err
}

// shared returns the memory and the function that allocates of the functions that are
// lifted, or of those that are lowered if none is lifted with them. Package fuse sees to
// functions that are lowered with others.
func (g *graphed) shared() (memory, realloc *coreItem, err error) {
	for _, o := range append(g.lifts, g.lowers...) {
		if o.encoding != OptUTF8 {
			return nil, nil, &UnsupportedError{"strings in " + o.encoding.String(), "build with strings in UTF-8"}
		}
	}
	for _, o := range append(g.lifts, g.lowers...) {
		if memory == nil {
			memory = o.memory
		}
		if realloc == nil {
			realloc = o.realloc
		}
	}
	for _, o := range g.lifts {
		switch {
		case o.memory != nil && *o.memory != *memory:
			return nil, nil, &UnsupportedError{"exports in two memories", "build it of parts that share their memory"}
		case o.realloc != nil && *o.realloc != *realloc:
			return nil, nil, &UnsupportedError{"exports with two functions that allocate", "export one cabi_realloc"}
		}
	}
	return memory, realloc, nil
}

// postPrefix begins the names of post-returns.
const postPrefix = "cabi_post_"

// joinPosts puts the post-returns of functions with results outside of memory into the
// functions. The host calls no others.
func (g *graphed) joinPosts(m *wasm.Module) error {
	at := make(map[string]int, len(m.Exports))
	for i, e := range m.Exports {
		at[e.Name] = i
	}
	sequences, posts := make([]wasm.Sequence, len(g.flat)), make(map[string]bool, len(g.flat))
	for i, name := range g.flat {
		sequences[i] = wasm.Sequence{First: m.Exports[at[name]].Index, Then: m.Exports[at[postPrefix+name]].Index}
		posts[postPrefix+name] = true
	}
	from, err := m.AddSequences(sequences)
	for i, name := range g.flat {
		m.Exports[at[name]].Index = from + uint32(i)
	}
	m.Exports = slices.DeleteFunc(m.Exports, func(e wasm.Export) bool { return posts[e.Name] })
	return err
}
