package service

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/airhost/airhost/admin"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/internal/config"
)

// The actions of changes, as package admin documents them.
const (
	add     = "add"
	replace = "replace"
	update  = "update"
	remove  = "remove"
)

// change is one difference between a running host and a file.
type change struct {
	action    string
	id        core.ComponentID
	old, next *unit // nil where there is none
	err       error // why it failed
}

// plan is all that a file changes.
type plan struct {
	file    *config.File
	units   []*unit   // all of the file
	changes []*change // of components
	ways    []*wayChange
}

// Apply implements [admin.Manager]. Changes that have begun go on when ctx ends. They are logged.
func (s *Service) Apply(ctx context.Context, request admin.ApplyRequest, progress func(admin.Progress)) (*admin.Applied, error) {
	applied, err := s.apply(ctx, request, progress)
	if err == nil && !request.DryRun {
		s.logApplied(applied)
	}
	return applied, refusal(err)
}

// Reload is Apply with the file that the service was started with. Mistakes in it are a
// config.Mistakes. The changes are logged.
func (s *Service) Reload(ctx context.Context) error {
	applied, err := s.apply(ctx, admin.ApplyRequest{}, func(admin.Progress) {})
	if err == nil {
		s.logApplied(applied)
	}
	return err
}

// logApplied logs the changes that were made.
func (s *Service) logApplied(a *admin.Applied) {
	made := make(map[string]int)
	for _, w := range a.Warnings {
		s.log.Warn("probably a mistake in the file", "place", fmt.Sprintf("%s:%d:%d", w.Place.File, w.Place.Line, w.Place.Column), "key", w.Place.Path, "text", w.Message)
	}
	for _, c := range a.Changes {
		if c.Error == "" {
			made[c.Action]++
			continue
		}
		s.log.Error("a change failed, what ran before runs on", "id", c.ID, "action", c.Action, "reason", c.Error)
	}
	attrs := []any{"file", a.File}
	for _, action := range []string{add, replace, update, remove} {
		if made[action] > 0 {
			attrs = append(attrs, action, made[action])
		}
	}
	if len(a.Changes) == 0 {
		s.log.Info("the file was applied: nothing to change", attrs...)
		return
	}
	s.log.Info("the file was applied", attrs...)
}

func (s *Service) apply(ctx context.Context, request admin.ApplyRequest, progress func(admin.Progress)) (*admin.Applied, error) {
	ctx, done, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	path := request.File
	if path == "" {
		path = s.config.File.Name()
	}
	file, err := load(path)
	if err != nil {
		return nil, err
	}
	p, progress := s.plan(file), oneAtATime(progress)
	defer p.close(ctx)
	if err := s.check(ctx, p, progress); err != nil {
		return nil, err
	}
	if !request.DryRun {
		over, cancel := s.untilOver(ctx)
		defer cancel()
		s.make(over, p, progress)
	}
	return p.report(request.DryRun), nil
}

// load reads a file to compare it.
func load(path string) (*config.File, error) {
	file, err := config.Load(path, Built())
	if err != nil {
		return nil, err
	}
	return file.Absolute()
}

// begin waits until no other change is in progress. The context that it returns ends with ctx, or
// when the service stops.
func (s *Service) begin(ctx context.Context) (context.Context, func(), error) {
	select {
	case s.changing <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	case <-s.over.Done():
	}
	if s.over.Err() != nil {
		return nil, nil, &admin.Error{Status: 503, Code: admin.CodeStopping, Message: "the host is stopping"}
	}
	within, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(s.over, cancel)
	return within, func() { stop(); cancel(); <-s.changing }, nil
}

// oneAtATime returns a function that calls progress, one call at a time.
func oneAtATime(progress func(admin.Progress)) func(admin.Progress) {
	var mu sync.Mutex
	return func(p admin.Progress) {
		mu.Lock()
		defer mu.Unlock()
		progress(p)
	}
}

// untilOver returns a context that does not end with ctx, but when the service stops.
func (s *Service) untilOver(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(s.over, cancel)
	return ctx, func() { stop(); cancel() }
}

// refusal is the answer to a change that was not made.
func refusal(err error) error {
	var mistakes config.Mistakes
	if !errors.As(err, &mistakes) || len(mistakes) == 0 {
		return err
	}
	e := &admin.Error{Status: 422, Code: admin.CodeInvalidConfiguration, Message: mistakes[0].Summary()}
	e.Mistakes = mistakesOf(mistakes)
	e.Place = &e.Mistakes[0].Place
	return e
}

func mistakesOf(all config.Mistakes) (mistakes []admin.Mistake) {
	for _, m := range all {
		mistakes = append(mistakes, admin.Mistake{Message: m.Text, Place: admin.Place{File: m.File, Line: m.Line, Column: m.Column, Path: m.Path, Excerpt: m.Excerpt}})
	}
	return mistakes
}

// plan compares a file with the running components. It compiles nothing.
func (s *Service) plan(file *config.File) *plan {
	p := &plan{file: file, units: units(file), ways: s.ways.compare(file)}
	s.mu.Lock()
	defer s.mu.Unlock()
	wanted := make(map[core.ComponentID]bool)
	for _, u := range p.units {
		id := u.deployment.ID
		wanted[id] = true
		if c := differ(s.units[id], u); c != nil {
			p.changes = append(p.changes, c)
		}
	}
	for id, u := range s.units {
		if !wanted[id] {
			p.changes = append(p.changes, &change{action: remove, id: id, old: u})
		}
	}
	slices.SortFunc(p.changes, func(a, b *change) int { return strings.Compare(a.id.String(), b.id.String()) })
	return p
}

// differ returns the change that makes next of old, or nil. old is nil for a component that is
// new.
func differ(old, next *unit) *change {
	c := &change{action: add, id: next.deployment.ID, old: old, next: next}
	if old == nil || old.failure != nil || next.failure != nil {
		return c
	}
	switch change := old.changeTo(next); {
	case change == host.NoChange && samePlace(old, next):
		return nil
	case old.isAny() != next.isAny():
		c.action = replace
	case change == host.NoChange, change == host.NeedsUpdate:
		c.action = update
	default:
		c.action = replace
	}
	return c
}

// check compiles all that a plan needs, and returns all mistakes that there are. Nothing has
// changed then.
func (s *Service) check(ctx context.Context, p *plan, progress func(admin.Progress)) error {
	mistakes := s.fixed(p.file)
	var more config.Mistakes
	if errors.As(CheckWays(p.file), &more) {
		mistakes = append(mistakes, more...)
	}
	if err := s.compile(ctx, p, progress); errors.As(err, &more) {
		mistakes = append(mistakes, more...)
	} else if err != nil {
		return err
	}
	return mistakes.Sorted()
}

// compile compiles the components that a plan adds or replaces.
func (s *Service) compile(ctx context.Context, p *plan, progress func(admin.Progress)) error {
	var all, failed []*unit
	for _, c := range p.changes {
		if c.action == add || c.action == replace {
			all = append(all, c.next)
		}
	}
	s.prepareAll(ctx, all, progress)
	for _, u := range all {
		if u.failure != nil {
			failed = append(failed, u)
		}
	}
	return failures(failed)
}

// fixed returns a mistake for each key that differs from that of the running host and needs
// another host.
func (s *Service) fixed(file *config.File) (mistakes config.Mistakes) {
	const text = "a running host keeps the value that it was started with: restart airhost to change it"
	now, next := reflect.ValueOf(s.base.Host), reflect.ValueOf(file.Host)
	for i := range now.NumField() {
		if !reflect.DeepEqual(now.Field(i).Interface(), next.Field(i).Interface()) {
			mistakes = append(mistakes, file.Mistake("host."+keyOf(now.Type().Field(i)), text))
		}
	}
	if !reflect.DeepEqual(s.base.Functions, file.Functions) {
		mistakes = append(mistakes, file.Mistake("functions", text))
	}
	if !reflect.DeepEqual(s.base.Budgets, file.Budgets) {
		mistakes = append(mistakes, file.Mistake("budgets", text))
	}
	if !reflect.DeepEqual(s.base.KeyValue, file.KeyValue) {
		mistakes = append(mistakes, file.Mistake("keyvalue", text))
	}
	if !reflect.DeepEqual(s.base.HTTP, file.HTTP) {
		mistakes = append(mistakes, file.Mistake("http", text))
	}
	return mistakes
}

// keyOf is the key of a struct's field in the file.
func keyOf(field reflect.StructField) string {
	key, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
	return key
}

// close releases the guests that a plan has compiled.
func (p *plan) close(ctx context.Context) {
	for _, u := range p.units {
		if u.prepared != nil {
			_ = u.prepared.Close(context.WithoutCancel(ctx)) // nothing runs by it
			u.prepared = nil
		}
	}
}

// report returns the changes of a plan as the answer to the client.
func (p *plan) report(dry bool) *admin.Applied {
	a := &admin.Applied{File: p.file.Name(), DryRun: dry, Changes: []admin.Change{}, Warnings: mistakesOf(p.file.Warnings())}
	for _, c := range p.changes {
		all := admin.Change{ID: c.id.String(), Action: c.action, Error: errorText(c.err)}
		if c.action == replace || c.action == update {
			all.Differences = c.differences()
		}
		a.Changes = append(a.Changes, all)
	}
	for _, w := range p.ways {
		a.Changes = append(a.Changes, admin.Change{ID: w.id, Action: w.action, Differences: w.differences, Error: errorText(w.err)})
	}
	return a
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// differences are the keys of the component that differ, and its source if that has other content.
func (c *change) differences() []admin.Difference {
	all := differences(config.Differences(c.old.component(), c.next.component()))
	if c.old.digest != c.next.digest {
		all = append(all, admin.Difference{Path: "content of source", Old: short(c.old.digest), New: short(c.next.digest)})
	}
	return all
}

func differences(of []config.Difference) (all []admin.Difference) {
	for _, d := range of {
		all = append(all, admin.Difference(d))
	}
	return all
}

// short is the beginning of a digest, which is enough to tell two apart.
func short(digest [32]byte) string { return hex.EncodeToString(digest[:6]) + "…" }
