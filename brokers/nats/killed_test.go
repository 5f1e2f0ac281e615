package nats_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
)

// storeVariable makes the test's executable a server with JetStream in this folder, at this port.
const storeVariable = "AIRHOST_TEST_NATS_STORE"

// serveAsProcess is the server. It says so when it is ready.
func serveAsProcess(folder, port string) {
	number, err := strconv.Atoi(port)
	if err != nil {
		panic(err)
	}
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: number, JetStream: true, StoreDir: folder, NoSigs: true, NoLog: true})
	if err != nil {
		panic(err)
	}
	s.Start()
	if s.ReadyForConnections(patience) {
		fmt.Println("ready")
	}
	s.WaitForShutdown()
}

// startProcess starts a server as a process of its own, and returns when it is ready.
func startProcess(t *testing.T, folder string, port int) (kill func()) {
	t.Helper()
	c := exec.CommandContext(t.Context(), os.Args[0])
	c.Env = append(os.Environ(), storeVariable+"="+folder+" "+strconv.Itoa(port))
	out, err := c.StdoutPipe()
	check(t, err)
	check(t, c.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	if strings.TrimSpace(line) != "ready" {
		t.Fatalf("the server says %q, %v", line, err)
	}
	dead := false
	kill = func() {
		if !dead {
			dead = true
			check(t, c.Process.Kill())
			_ = c.Wait() // it says that it was killed
		}
	}
	t.Cleanup(kill)
	return kill
}

// TestServerIsKilled: messages that a server has stored outlive its end by kill -9, and none is handled twice.
func TestServerIsKilled(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	port := free.Addr().(*net.TCPAddr).Port
	check(t, free.Close())
	folder := t.TempDir()
	kill := startProcess(t, folder, port)
	url := fmt.Sprintf("nats://127.0.0.1:%d", port)
	a, b := join(t, url, "a"), join(t, url, "b")
	w := new(book)
	gate := make(chan struct{})
	a.deployMail(t, "a/mail", component(scribeAfter(w, "50", gate)))
	b.knows(t, mailID)
	b.deploy(t, "b/sender", relay("a/mail"), nil)
	const n = 100
	for i := range n {
		check(t, b.Send(sender, fmt.Append(nil, i)))
	}
	b.settled(t) // all are stored
	w.has(t, "any", 50)
	kill()
	a.says(t, "disconnected from NATS", 1)
	close(gate)
	startProcess(t, folder, port)
	a.says(t, "connected to NATS again", 1)
	inOrder(t, w.has(t, "any", n), n)
	b.says(t, "connected to NATS again", 1)
	check(t, b.Send(sender, fmt.Append(nil, n)))
	inOrder(t, w.has(t, "any", n+1), n+1)
}
