package nemesis

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// lease is that of the hosts.
const lease = time.Second

// cluster is three hosts and three servers.
type cluster struct {
	t         testing.TB
	directory string
	network   network
	kind      string // of the network
	options   options
	all       map[string]*process
	runs      map[string]int
	past      []*process // hosts that were killed, with journals
	filled    []string   // servers without room on their disks
	history   *history
	quiet     time.Duration // after which it must be quiet
	answer    time.Duration // after which components with "place: any" must answer
}

// newCluster starts the processes. They end with the test.
func newCluster(t testing.TB, seed uint64, o options) *cluster {
	t.Helper()
	directory, err := os.MkdirTemp("", "airhost-nemesis-")
	must(t, err)
	c := &cluster{t: t, directory: directory, options: o, all: map[string]*process{}, runs: map[string]int{}, history: newHistory(newCheckPublications(), newCheckDurable(), newCheckPlacement()), quiet: patience, answer: patience}
	c.network, c.kind, err = newNetwork(directory, seed)
	must(t, err)
	t.Cleanup(c.end)
	t.Log(c.kind)
	c.revive()
	c.awaitHealed()
	c.answer = answerTime
	return c
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// end ends the processes, and keeps their files if the test has failed.
func (c *cluster) end() {
	for _, p := range c.all {
		if err := p.kill(); err != nil {
			c.t.Error(err)
		}
	}
	c.network.close()
	if c.t.Failed() {
		c.t.Logf("the journals and logs are in %s", c.directory)
		return
	}
	if err := os.RemoveAll(c.directory); err != nil {
		c.t.Error(err)
	}
}

// revive starts those that do not run: the servers first.
func (c *cluster) revive() {
	c.t.Helper()
	for _, names := range [][]string{serverNames, hostNames} {
		var starting sync.WaitGroup
		started, failed := make([]*process, len(names)), make([]error, len(names))
		for i, name := range names {
			if p := c.all[name]; p != nil && p.alive() {
				continue
			}
			c.runs[name]++
			role, settings := c.settings(name, c.runs[name])
			run := c.runs[name]
			starting.Go(func() { started[i], failed[i] = launch(c.network, c.directory, role, name, run, settings) })
		}
		starting.Wait()
		must(c.t, errors.Join(failed...))
		for i, name := range names {
			if started[i] != nil {
				c.all[name] = started[i]
			}
		}
	}
}

// kill kills a process, unless it is dead.
func (c *cluster) kill(name string) {
	p := c.all[name]
	if !p.alive() {
		return
	}
	must(c.t, p.kill())
	if slices.Contains(hostNames, name) {
		c.history.died(p.run, time.Now().UnixNano())
		c.past = append(c.past, p)
	}
}

func (c *cluster) settings(name string, run int) (role string, settings any) {
	if slices.Contains(serverNames, name) {
		s := serverSettings{Name: name, Hasty: c.options.placesAny()}
		s.Host, s.Client, s.Route = c.network.listen(name)
		s.Store, _ = c.network.store(name)
		for _, other := range serverNames {
			if other != name {
				_, route := c.network.reach(name, other)
				s.Peers = append(s.Peers, route)
			}
		}
		return "server", s
	}
	s := hostSettings{Name: name, Run: run, Lease: lease, options: c.options}
	s.Journal = journalOf(c.directory, fmt.Sprintf("%s.%d", name, run))
	var urls []string
	for _, server := range serverNames {
		client, _ := c.network.reach(name, server)
		urls = append(urls, client)
	}
	s.URL = strings.Join(urls, ",")
	return "host", s
}

// hosts are the host processes that were not killed. They must run.
func (c *cluster) hosts() (all []*process) {
	c.t.Helper()
	for _, name := range hostNames {
		p := c.all[name]
		if slices.Contains(c.past, p) {
			continue
		}
		if !p.alive() {
			c.t.Fatalf("%s has ended by itself; its log: %s", p.run, p.lastWords())
		}
		all = append(all, p)
	}
	return all
}

// stat asks a host, which must run.
func (c *cluster) stat(p *process, do string) (s stat) {
	c.t.Helper()
	must(c.t, p.ask(command{Do: do}, &s))
	return s
}

// load sets the load of all hosts that run and are not stopped.
func (c *cluster) load(ticks int) {
	c.t.Helper()
	for _, p := range c.hosts() {
		var answer string
		if !p.stopped {
			must(c.t, p.ask(command{Do: "load", Load: ticks}, &answer))
		}
	}
}

// await calls a function until it is true. Its text about the state is for the failure.
func (c *cluster) await(what string, is func() (bool, string)) {
	c.t.Helper()
	if ok, state := try(patience, is); !ok {
		c.t.Fatalf("%s: not within %v: %s\n%s", what, patience, state, c.logs())
	}
}

// try calls is until it is true, or the time is over.
func try(most time.Duration, is func() (bool, string)) (bool, string) {
	over := time.After(most)
	for {
		ok, state := is()
		if ok {
			return true, ""
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-over:
			return false, state
		}
	}
}

// logs are the ends of the logs of all hosts.
func (c *cluster) logs() string {
	var text strings.Builder
	for _, name := range hostNames {
		fmt.Fprintf(&text, "--- %s\n%s", name, c.all[name].lastWords())
	}
	return text.String()
}

// heal ends all faults: the ways are good, nobody is stopped, the disks have room, and the
// killed ones run again.
func (c *cluster) heal() {
	c.t.Helper()
	everyone := slices.Concat(serverNames, hostNames)
	for _, from := range everyone {
		for _, to := range everyone {
			c.network.set(from, to, link{})
		}
	}
	for _, p := range c.all {
		if p.stopped && p.alive() {
			must(c.t, p.thaw())
		}
	}
	for _, name := range c.filled {
		must(c.t, c.network.inside(func() error { return os.RemoveAll(c.filler(name)) }))
		c.kill(name) // it goes on without JetStream otherwise
	}
	c.filled = nil
	c.revive()
}

// awaitHealed waits until every host knows all others, and gets an answer of each, and the
// servers have all that is stored.
func (c *cluster) awaitHealed() {
	c.t.Helper()
	c.awaitStreams()
	for _, p := range c.hosts() {
		c.await("hosts see each other again", func() (bool, string) {
			s := c.stat(p, "stat")
			return len(s.Peers) == len(hostNames)-1, fmt.Sprintf("%s sees %v", p.run, s.Peers)
		})
		for _, target := range hostNames {
			c.await("hosts answer each other again", func() (bool, string) {
				var failure string
				must(c.t, p.ask(command{Do: "probe", Target: target + "/echo"}, &failure))
				return failure == "", fmt.Sprintf("%s asks %s: %s", p.run, target, failure)
			})
		}
	}
	if c.options.placesAny() {
		c.awaitPlaced(c.answer)
	}
}

// awaitStreams waits until each stream and each consumer has a leader, and its replicas are up to
// date: the next fault may take away any one of them.
func (c *cluster) awaitStreams() {
	c.t.Helper()
	c.await("all servers have what is stored", func() (bool, string) {
		led := map[string]bool{}
		for _, name := range serverNames {
			var groups map[string]bool
			must(c.t, c.all[name].ask(command{Do: "groups"}, &groups))
			for group, leads := range groups {
				led[group] = led[group] || leads
			}
		}
		for group, leads := range led {
			if !leads {
				return false, group + " has no leader, or a replica is behind"
			}
		}
		return true, ""
	})
}

// awaitQuiet waits until nothing is under way anywhere, or there is a violation. It is one that
// something stays under way. It reports whether all that was taken should have ended.
func (c *cluster) awaitQuiet() bool {
	c.t.Helper()
	again := false
	quiet, state := try(c.quiet, func() (bool, string) {
		if c.readJournals(); len(c.history.violations) > 0 {
			return true, ""
		}
		for _, p := range c.hosts() {
			if s := c.stat(p, "stat"); !s.Settled {
				again = false
				return false, fmt.Sprintf("%s: %s %+v", p.run, s.Snapshot, s.Held)
			}
		}
		for _, one := range c.history.more {
			if n := one.waiting(c.history); n > 0 {
				again = false
				return false, fmt.Sprintf("%d wait: %T", n, one)
			}
		}
		before := again
		again = true
		return before, "it was quiet once"
	})
	early := quiet && len(c.history.violations) > 0
	if !quiet {
		c.history.violation("something is under way without end: %s\n%s", state, c.stored())
	}
	return !early
}

// stored describes the stores of the servers.
func (c *cluster) stored() string {
	c.t.Helper()
	var all strings.Builder
	for _, name := range serverNames {
		var text string
		must(c.t, c.all[name].ask(command{Do: "state"}, &text))
		fmt.Fprintf(&all, "%s:\n%s", name, text)
	}
	return all.String()
}

// readJournals gives the history all that the hosts have written since it was called last.
func (c *cluster) readJournals() {
	c.t.Helper()
	for _, p := range append(c.past[:len(c.past):len(c.past)], c.hosts()...) {
		file, err := os.Open(p.journal)
		must(c.t, err)
		_, err = file.Seek(p.read, io.SeekStart)
		must(c.t, err)
		for lines := bufio.NewReader(file); ; {
			line, err := lines.ReadString('\n')
			if errors.Is(err, io.EOF) {
				break // a line of one that was killed may have no end
			}
			must(c.t, err)
			p.read += int64(len(line))
			r, err := parseRecord(line)
			must(c.t, err)
			c.history.note(p.run, r)
		}
		must(c.t, file.Close())
	}
}

// filler is the file that fills the disk of a server.
func (c *cluster) filler(server string) string {
	directory, _ := c.network.store(server)
	return filepath.Join(directory, "filler")
}

// fill leaves a server no room on its disk. It reports whether it can be filled.
func (c *cluster) fill(server string) bool {
	c.t.Helper()
	_, size := c.network.store(server)
	if size == 0 {
		return false
	}
	c.filled = append(c.filled, server)
	must(c.t, c.network.inside(func() error {
		file, err := os.Create(c.filler(server))
		if err != nil {
			return err
		}
		defer file.Close()
		for block := make([]byte, 64<<10); err == nil; {
			_, err = file.Write(block)
		}
		return nil
	}))
	return true
}

// empty removes all files of a server, which must not run.
func (c *cluster) empty(server string) {
	c.t.Helper()
	directory, _ := c.network.store(server)
	must(c.t, c.network.inside(func() error {
		all, err := os.ReadDir(directory)
		for _, one := range all {
			err = errors.Join(err, os.RemoveAll(filepath.Join(directory, one.Name())))
		}
		return err
	}))
}
