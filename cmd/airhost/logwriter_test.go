package main

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// gate is a log that is read only while the gate is open.
type gate struct {
	open chan struct{}
	bytes.Buffer
}

func (g *gate) Write(b []byte) (int, error) {
	<-g.open
	return g.Buffer.Write(b)
}

func TestLogWriterIsNotHeldUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &gate{open: make(chan struct{})}
		l := newLogWriter(to)
		log := slog.New(slog.NewTextHandler(l, nil))
		l.tell(slog.New(slog.NewTextHandler(to, nil)))
		began := time.Now()
		for i := range 3000 {
			log.Info("line", "number", i)
		}
		if took := time.Since(began); took != logPatience {
			t.Errorf("3,000 lines that nobody takes took %v, want %v", took, logPatience)
		}
		close(to.open)
		synctest.Wait()
		log.Info("after")
		l.close()
		lines := strings.Count(to.String(), "msg=line")
		want := fmt.Sprintf("level=WARN msg=\"log lines were dropped: nobody took them\" dropped=%d\n", 3000-lines)
		if lines < logQueue || lines == 3000 || !strings.Contains(to.String(), want) || !strings.Contains(to.String(), "msg=after") {
			t.Errorf("of 3,000 lines there are %d, want the number of the others to be told:\n…%s", lines, to.String()[max(0, to.Len()-300):])
		}
	})
}

func TestLogWriterEndsThoughNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &gate{open: make(chan struct{})}
		l := newLogWriter(to)
		_, _ = l.Write([]byte("line\n"))
		began := time.Now()
		l.close()
		if took := time.Since(began); took != logPatience {
			t.Errorf("close took %v, want %v", took, logPatience)
		}
		_, _ = l.Write([]byte("late\n"))
		close(to.open)
		synctest.Wait()
		if to.String() != "line\n" {
			t.Errorf("the log has %q", to.String())
		}
	})
}

// broken fails to write.
type broken struct{ writes int }

func (b *broken) Write([]byte) (int, error) {
	b.writes++
	return 0, errors.New("no space left on device")
}

func TestLogWriterGoesOnAfterErrors(t *testing.T) {
	to := &broken{}
	l := newLogWriter(to)
	for range 10 {
		if n, err := l.Write([]byte("line\n")); n != 5 || err != nil {
			t.Errorf("Write returns %d, %v", n, err)
		}
	}
	l.close()
	if to.writes != 10 {
		t.Errorf("%d of 10 lines were tried to be written", to.writes)
	}
}
