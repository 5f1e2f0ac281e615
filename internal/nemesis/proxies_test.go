package nemesis

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"time"
)

// proxies are a network without rights: each way between two processes has a listener of the
// test, which passes on what goes there. Bytes that are lost on a bad link come later, as TCP has it;
// nothing passes one that is cut, the end of a connection neither.
type proxies struct {
	*links
	directory string
	servers   map[string][2]int // their ports of clients and routes
	listeners map[[2]string][2]net.Listener
	open      sync.WaitGroup
	done      chan struct{}
}

func newProxies(directory string, seed uint64) (*proxies, error) {
	p := &proxies{links: newLinks(seed), directory: directory, servers: map[string][2]int{}, listeners: map[[2]string][2]net.Listener{}, done: make(chan struct{})}
	for _, name := range serverNames {
		if err := os.MkdirAll(storeOf(directory, name), 0o700); err != nil {
			return nil, err
		}
		var ports [2]int
		for i := range ports {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return nil, err
			}
			defer l.Close() // free for the server when all are chosen
			ports[i] = l.Addr().(*net.TCPAddr).Port
		}
		p.servers[name] = ports
	}
	for _, from := range append(serverNames[:len(serverNames):len(serverNames)], hostNames...) {
		for _, to := range serverNames {
			if from == to {
				continue
			}
			var pair [2]net.Listener
			for i := range pair {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					return nil, err
				}
				pair[i] = l
				p.open.Go(func() { p.accept(l, from, to, p.servers[to][i]) })
			}
			p.listeners[[2]string{from, to}] = pair
		}
	}
	return p, nil
}

func (p *proxies) accept(l net.Listener, from, to string, port int) {
	for {
		near, err := l.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			near.Close()
			continue
		}
		p.open.Go(func() { p.pass(from, to, near, far) })
		p.open.Go(func() { p.pass(to, from, far, near) })
		p.open.Go(func() { // an end at the end of the test
			<-p.done
			near.Close()
			far.Close()
		})
	}
}

// pass passes on what comes from one end, and its end too, as the link has it.
func (p *proxies) pass(from, to string, in io.Reader, out net.Conn) {
	buffer := make([]byte, 16<<10)
	for {
		n, err := in.Read(buffer)
		if !p.hold(from, to) {
			return
		}
		if _, failed := out.Write(buffer[:n]); err == nil {
			err = failed
		}
		if err != nil {
			out.Close()
			return
		}
	}
}

// hold waits until the link lets something pass. It reports whether the test goes on.
func (p *proxies) hold(from, to string) bool {
	for again := 100 * time.Millisecond; ; again *= 2 {
		wait, passes, l, changed := p.wait(from, to)
		if !passes {
			wait = again // TCP sends it again
		}
		if l.cut {
			wait = time.Hour
		}
		if passes && wait == 0 {
			return true
		}
		select {
		case <-p.done:
			return false
		case <-changed:
		case <-time.After(wait):
			if passes {
				return true
			}
		}
	}
}

func (p *proxies) start(_ string, command *exec.Cmd) error { return command.Start() }

func (p *proxies) listen(server string) (host string, client, route int) {
	return "127.0.0.1", p.servers[server][0], p.servers[server][1]
}

func (p *proxies) reach(from, server string) (client, route string) {
	pair := p.listeners[[2]string{from, server}]
	return "nats://" + pair[0].Addr().String(), "nats://" + pair[1].Addr().String()
}

func (p *proxies) store(server string) (string, int64) { return storeOf(p.directory, server), 0 }

func (p *proxies) inside(do func() error) error { return do() }

func (p *proxies) close() {
	close(p.done)
	for _, pair := range p.listeners {
		for _, l := range pair {
			l.Close()
		}
	}
	p.open.Wait()
}
