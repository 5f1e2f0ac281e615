//go:build unix

package spawn

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// polling returns both ends of a connection. One end is a pollingConn that polls in
// its next Read.
func polling(t *testing.T) (*pollingConn, net.Conn) {
	t.Helper()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	listener, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	other, err := net.Dial("unix", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Close() })
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c := BusyPoll(conn).(*pollingConn)
	t.Cleanup(func() { c.Close() })
	c.lastShort = true
	return c, other
}

func TestBusyPoll(t *testing.T) {
	c, other := polling(t)
	go func() {
		for range 1000 {
			_, _ = other.Write([]byte("12345678"))
			runtime.Gosched()
		}
		other.Close()
	}()
	if data, err := io.ReadAll(c); len(data) != 8000 || err != nil {
		t.Errorf("read %d bytes, %v", len(data), err)
	}
	if n := spinning.Load(); n != 0 {
		t.Errorf("%d readers look for data", n)
	}
}

// TestBusyPollReads: polling reads the data that are there, without allocation.
func TestBusyPollReads(t *testing.T) {
	c, other := polling(t)
	into := make([]byte, 8)
	allocations := testing.AllocsPerRun(100, func() {
		if _, err := other.Write(into); err != nil {
			t.Fatal(err)
		}
		if n := c.spin(into, time.Now()); n != 8 {
			t.Fatalf("spin = %d", n)
		}
	})
	if allocations != 0 {
		t.Errorf("%v allocations", allocations)
	}
}

// TestBusyPollTires: polling stops after too many misses, until the next period.
func TestBusyPollTires(t *testing.T) {
	c, _ := polling(t)
	now := time.Now()
	for looks := range maxMisses {
		if !c.worthIt(now) {
			t.Fatalf("tired after %d", looks)
		}
		if n := c.spin(make([]byte, 1), now); n != 0 {
			t.Fatalf("read %d bytes of none", n)
		}
	}
	if c.worthIt(now) {
		t.Error("not tired")
	}
	if !c.worthIt(now.Add(1 << periodBits)) {
		t.Error("tired for ever")
	}
}

// TestBusyPollRecovers: a successful poll takes a miss away.
func TestBusyPollRecovers(t *testing.T) {
	c, other := polling(t)
	c.period, c.missed = time.Now().UnixNano()>>periodBits, maxMisses-1
	if _, err := other.Write([]byte{1}); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(make([]byte, 1)); n != 1 || err != nil {
		t.Fatalf("Read = %d, %v", n, err)
	}
	if c.missed >= maxMisses-1 {
		t.Errorf("missed is %d", c.missed)
	}
}

// TestBusyPollInTurn: the number of readers that poll at once is limited.
func TestBusyPollInTurn(t *testing.T) {
	c, _ := polling(t)
	spinning.Add(c.most)
	defer spinning.Add(-c.most)
	c.spin(make([]byte, 1), time.Now())
	if c.missed != 0 {
		t.Error("one more looked for data")
	}
}

func TestBusyPollInterrupted(t *testing.T) {
	c, _ := polling(t)
	if err := c.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("past its deadline: %v", err)
	}
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	c.lastShort = true
	go c.Close()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

func TestAttendOneProcessor(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	conn := new(net.UnixConn)
	if BusyPoll(conn) != net.Conn(conn) {
		t.Error("it would keep the only processor busy")
	}
}
