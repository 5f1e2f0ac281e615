package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/airhost/airhost/admin"
)

// leastInterval is the shortest time between two pictures of top: each asks the host for all
// of its components.
const leastInterval = 100 * time.Millisecond

func (p *program) topCommand() *cobra.Command {
	o := &operation{program: p}
	t := &top{}
	command := o.command(&cobra.Command{
		Use:   "top [FILE]",
		Short: "Show the components of a running host, live",
		Long: `top shows the components of a running host and draws them anew all the time, those
first that have the most of the column that they are sorted by. q or Ctrl-C ends it.
These keys sort: r rate, w waiting messages, d messages stored in durable mailboxes,
m memory, e errors, s restarts, n name.
The arrow keys, or j and k, move to components that the terminal has no lines for.
In scripts, use airhost ps.` + hostHelp,
		Example:           "  airhost top airhost.yaml\n  airhost top airhost.yaml --interval 5s --sort memory",
		Args:              noArguments,
		ValidArgsFunction: completeFile,
	}, nil, func(ctx context.Context, _ []string) error { return t.run(ctx, o) })
	command.Flags().DurationVar(&t.interval, "interval", time.Second, "the time between two pictures")
	command.Flags().StringVar(&t.sort, "sort", "rate", "the column to sort by: "+strings.Join(sortNames(), ", "))
	complete(command, "sort", sortNames()...)
	return command
}

// sorting is an order of components.
type sorting struct {
	name    string
	key     byte // that chooses it
	heading string
	compare func(a, b admin.Component) int // the first one comes first
}

// sortings are the orders, each by one column.
var sortings = []sorting{
	{"rate", 'r', "RATE", func(a, b admin.Component) int { return cmp.Compare(b.Rate, a.Rate) }},
	{"waiting", 'w', "WAITING", func(a, b admin.Component) int { return cmp.Compare(b.Waiting, a.Waiting) }},
	{"stored", 'd', "STORED", func(a, b admin.Component) int { return cmp.Compare(b.Stored, a.Stored) }},
	{"memory", 'm', "MEMORY", func(a, b admin.Component) int { return cmp.Compare(b.Memory, a.Memory) }},
	{"errors", 'e', "ERRORS", func(a, b admin.Component) int { return cmp.Compare(b.Errors, a.Errors) }},
	{"restarts", 's', "RESTARTS", func(a, b admin.Component) int { return cmp.Compare(b.Restarts, a.Restarts) }},
	{"name", 'n', "COMPONENT", func(admin.Component, admin.Component) int { return 0 }},
}

func sortNames() (names []string) {
	for _, s := range sortings {
		names = append(names, s.name)
	}
	return names
}

func sortingOf(name string) (sorting, bool) {
	i := slices.IndexFunc(sortings, func(s sorting) bool { return s.name == name })
	if i < 0 {
		return sorting{}, false
	}
	return sortings[i], true
}

// top is the live view of a host.
type top struct {
	interval time.Duration
	sort     string
	first    int // the first component that is shown, of those in order

	host       *admin.Snapshot
	components []admin.Component
	failure    error // of the last look at the host
}

// The sequences of ANSI terminals that top uses.
const (
	otherScreen = "\x1b[?1049h\x1b[?25l" // without a cursor
	firstScreen = "\x1b[?25h\x1b[?1049l"
	home        = "\x1b[H"
	eraseLine   = "\x1b[K"
	eraseBelow  = "\x1b[J"
	bold        = "\x1b[1m"
)

func (t *top) run(ctx context.Context, o *operation) error {
	screen, ok := o.stdout.(*os.File)
	keyboard, both := o.stdin.(*os.File)
	if !ok || !both || !isTerminal(screen) || !isTerminal(keyboard) {
		return wrongUse{errors.New("top needs a terminal: airhost ps lists the components once, and for programs")}
	}
	if _, ok := sortingOf(t.sort); !ok {
		return wrongUse{fmt.Errorf("--sort is %q, want %s", t.sort, strings.Join(sortNames(), ", "))}
	}
	if t.interval < leastInterval {
		return wrongUse{fmt.Errorf("--interval is %v, want at least %v", t.interval, leastInterval)}
	}
	if t.look(ctx, o); t.failure != nil {
		return t.failure
	}
	restore, err := takeTerminal(keyboard, screen)
	if err != nil {
		return fmt.Errorf("the terminal: %w", err)
	}
	defer restore()
	keys := make(chan byte)
	over, cancel := context.WithCancel(ctx)
	defer cancel()
	go readKeys(over, keyboard, keys) // the end of the program ends its last read
	return t.loop(over, o, keys, func() error {
		width, height, err := term.GetSize(int(screen.Fd()))
		if err != nil || width <= 0 || height <= 0 {
			width, height = 80, 24
		}
		_, err = io.WriteString(screen, t.picture(width, height))
		return err
	})
}

// takeTerminal makes a terminal hand over each key at once, and shows an empty screen. restore
// undoes it.
func takeTerminal(keyboard, screen *os.File) (restore func(), err error) {
	state, err := term.MakeRaw(int(keyboard.Fd()))
	if err != nil {
		return nil, err
	}
	restore = func() {
		_, _ = io.WriteString(screen, firstScreen) // the user sees if one of them fails
		_ = term.Restore(int(keyboard.Fd()), state)
	}
	if _, err := io.WriteString(screen, otherScreen); err != nil {
		restore()
		return nil, err
	}
	return restore, nil
}

// readKeys sends the bytes of a keyboard until ctx ends.
func readKeys(ctx context.Context, keyboard io.Reader, keys chan<- byte) {
	var buffer [16]byte
	for {
		n, err := keyboard.Read(buffer[:])
		if err != nil {
			return
		}
		for _, key := range buffer[:n] {
			select {
			case keys <- key:
			case <-ctx.Done():
				return
			}
		}
	}
}

// loop draws until a key or ctx ends it.
func (t *top) loop(ctx context.Context, o *operation, keys <-chan byte, draw func() error) error {
	ticks := time.NewTicker(t.interval)
	defer ticks.Stop()
	for {
		if err := draw(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticks.C:
			t.look(ctx, o)
		case key := <-keys:
			if t.press(key) {
				return nil
			}
		}
	}
}

// look asks the host for its state. If it does not answer, the last state stays.
func (t *top) look(ctx context.Context, o *operation) {
	ctx, cancel := context.WithTimeout(ctx, max(t.interval, 2*time.Second))
	defer cancel()
	host, err := o.client.Snapshot(ctx)
	if err == nil {
		var all []admin.Component
		if all, err = o.client.Components(ctx); err == nil {
			t.host, t.components = host, all
		}
	}
	t.failure = o.explain(ctx, err)
}

// press handles a key, and reports whether it ends top. An arrow comes as three bytes, of which
// the last one is A for up and B for down.
func (t *top) press(key byte) (end bool) {
	switch key {
	case 'q', 'Q', 3: // 3 is Ctrl-C, in the raw mode
		return true
	case 'j', 'B':
		t.first++
	case 'k', 'A':
		t.first--
	}
	for _, s := range sortings {
		if key == s.key {
			t.sort, t.first = s.name, 0
		}
	}
	return false
}

// picture returns a picture of so many columns and lines, with the sequences that draw it over the
// one before.
func (t *top) picture(width, height int) string {
	order, _ := sortingOf(t.sort)
	lines := t.table(order, width)
	head, rows := lines[0], lines[1:]
	const others = 3 // the title, the headings, and the last line
	room := max(height-others, 1)
	t.first = max(0, min(t.first, len(rows)-room))
	shown := rows[t.first:min(len(rows), t.first+room)]
	foot := "q ends, sort by: r w m e s n"
	if len(shown) < len(rows) {
		foot = fmt.Sprintf("%d to %d of %d, arrows move; %s", t.first+1, t.first+len(shown), len(rows), foot)
	}
	if t.failure != nil {
		foot = "old: " + printable(t.failure.Error())
	}
	picture := []string{cut(t.title(), width), bold + cut(head, width) + plain}
	for _, row := range shown {
		picture = append(picture, cut(row, width))
	}
	picture = append(picture, cut(foot, width))
	if len(picture) > height {
		picture = picture[:max(height, 1)]
	}
	return home + strings.Join(picture, eraseLine+"\r\n") + eraseLine + eraseBelow
}

func (t *top) title() string {
	running, failed, perSecond := 0, 0, 0.0
	for _, c := range t.components {
		perSecond += c.Rate
		switch c.State {
		case "running":
			running++
		case "failed":
			failed++
		}
	}
	text := fmt.Sprintf("%s: %d of %d components run, %d failed, %s messages/s", printable(t.host.Name), running, len(t.components), failed, rate(perSecond))
	if !t.host.Ready {
		text += "; not ready: " + printable(t.host.NotReady)
	}
	return text
}

// topHeadings are the columns, those first that a narrow terminal has too. The last one is cut
// where it does not fit. That of stored messages is at storedAt, if there is one.
var topHeadings = []string{"COMPONENT", "STATE", ">RATE", ">WAITING", ">MEMORY", ">RESTARTS", ">ERRORS", ">INSTANCES", "ENGINE", "LAST ERROR"}

const (
	storedAt       = 4
	leastColumns   = 3
	leastLastError = 12 // the least width of the last column
)

// table has the components in order, and as many columns as fit.
func (t *top) table(order sorting, width int) []string {
	all := slices.Clone(t.components)
	slices.SortStableFunc(all, func(a, b admin.Component) int {
		return cmp.Or(order.compare(a, b), cmp.Compare(a.ID, b.ID))
	})
	stored := storedOf(all, storedAt)
	last := len(stored.heading(slices.Clone(topHeadings)...)) - 1
	columns := last
	lines := topLines(all, order, stored, columns)
	for ; columns > leastColumns && widest(lines) > width; lines = topLines(all, order, stored, columns) {
		columns--
	}
	if columns == last && widest(lines)+leastLastError <= width {
		lines = topLines(all, order, stored, columns+1)
	}
	return lines
}

// topLines are the lines of a table with so many of the columns.
func topLines(all []admin.Component, order sorting, stored storedColumn, columns int) []string {
	headings := stored.heading(slices.Clone(topHeadings)...)[:columns]
	for i := range headings {
		if strings.TrimPrefix(headings[i], ">") == order.heading {
			headings[i] += "*"
		}
	}
	result := newTable(headings...)
	for _, c := range all {
		result.add(stored.cell(c.Durable, c.Stored,
			c.ID, stateText(c), rate(c.Rate), fmt.Sprint(c.Waiting), some(c.Memory), fmt.Sprint(c.Restarts),
			fmt.Sprint(c.Errors), fmt.Sprint(c.Instances), c.Engine, c.LastError,
		)[:columns]...)
	}
	return strings.Split(strings.TrimSuffix(result.String(), "\n"), "\n")
}

func widest(lines []string) (width int) {
	for _, line := range lines {
		width = max(width, utf8.RuneCountInString(line))
	}
	return width
}

// cut shortens a line to a width.
func cut(line string, width int) string {
	if utf8.RuneCountInString(line) <= width {
		return line
	}
	return string([]rune(line)[:max(width-1, 0)]) + "…"
}
