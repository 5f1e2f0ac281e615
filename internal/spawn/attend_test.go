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

// attended returns both ends of a connection, one of them attentive and about to
// look for data.
func attended(t *testing.T) (*attentive, net.Conn) {
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
	c := Attend(conn).(*attentive)
	t.Cleanup(func() { c.Close() })
	c.soon = true
	return c, other
}

func TestAttend(t *testing.T) {
	c, other := attended(t)
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
	if n := attending.Load(); n != 0 {
		t.Errorf("%d readers look for data", n)
	}
}

// TestAttendReads: what is there is read by looking, without allocation.
func TestAttendReads(t *testing.T) {
	c, other := attended(t)
	into := make([]byte, 8)
	allocations := testing.AllocsPerRun(100, func() {
		if _, err := other.Write(into); err != nil {
			t.Fatal(err)
		}
		if n := c.attend(into, time.Now()); n != 8 {
			t.Fatalf("attend = %d", n)
		}
	})
	if allocations != 0 {
		t.Errorf("%v allocations", allocations)
	}
}

// TestAttendTires: looking in vain ends, and begins anew with the next period.
func TestAttendTires(t *testing.T) {
	c, _ := attended(t)
	now := time.Now()
	for looks := range misses {
		if !c.worthIt(now) {
			t.Fatalf("tired after %d", looks)
		}
		if n := c.attend(make([]byte, 1), now); n != 0 {
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

// TestAttendRecovers: what is found makes up for what was missed.
func TestAttendRecovers(t *testing.T) {
	c, other := attended(t)
	c.period, c.missed = time.Now().UnixNano()>>periodBits, misses-1
	if _, err := other.Write([]byte{1}); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(make([]byte, 1)); n != 1 || err != nil {
		t.Fatalf("Read = %d, %v", n, err)
	}
	if c.missed >= misses-1 {
		t.Errorf("missed is %d", c.missed)
	}
}

// TestAttendInTurn: only so many look at once.
func TestAttendInTurn(t *testing.T) {
	c, _ := attended(t)
	attending.Add(c.most)
	defer attending.Add(-c.most)
	c.attend(make([]byte, 1), time.Now())
	if c.missed != 0 {
		t.Error("one more looked for data")
	}
}

func TestAttendInterrupted(t *testing.T) {
	c, _ := attended(t)
	if err := c.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("past its deadline: %v", err)
	}
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	c.soon = true
	go c.Close()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

func TestAttendOneProcessor(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	conn := new(net.UnixConn)
	if Attend(conn) != net.Conn(conn) {
		t.Error("it would keep the only processor busy")
	}
}
