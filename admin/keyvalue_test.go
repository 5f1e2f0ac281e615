package admin_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/airhost/airhost/admin"
	"github.com/airhost/airhost/reach/keyvalue"
)

// TestKeyValue: an operator reads and changes buckets, and exports them.
func TestKeyValue(t *testing.T) {
	store := keyvalue.NewMemory()
	s := serve(t, func(c *admin.Config) { c.KeyValue = store })
	ctx := t.Context()
	large := bytes.Repeat([]byte{0, 0xff}, 100_000)
	check(t, s.SetValue(ctx, "a/b", "ä \n", large))
	for i := range 1500 {
		check(t, s.SetValue(ctx, "shared", fmt.Sprintf("%04d", i), []byte("v")))
	}
	value, err := s.Value(ctx, "a/b", "ä \n")
	if err != nil || !bytes.Equal(value, large) {
		t.Errorf("got %d bytes, %v", len(value), err)
	}
	all, err := s.Buckets(ctx)
	check(t, err)
	same(t, []string{fmt.Sprint(all)}, "[{a/b 200004 1} {shared 7500 1500}]")
	first, err := s.Keys(ctx, "shared", "")
	check(t, err)
	rest, err := s.Keys(ctx, "shared", "0999")
	check(t, err)
	if len(first.Keys) != 1000 || !first.More || len(rest.Keys) != 500 || rest.More {
		t.Errorf("got %d and %d keys", len(first.Keys), len(rest.Keys))
	}
	n := 0
	for e, err := range s.Export(ctx, "shared") {
		if want := fmt.Sprintf("%04d", n); err != nil || e.Key != want || e.Bucket != "shared" || string(e.Value) != "v" {
			t.Fatalf("got %+v, %v", e, err)
		}
		n++
	}
	if n != 1500 {
		t.Errorf("exported %d pairs", n)
	}
	check(t, s.DeleteValue(ctx, "a/b", "ä \n"))
	_, err = s.Value(ctx, "a/b", "ä \n")
	for _, c := range []struct {
		err    error
		status int
	}{
		{err, http.StatusNotFound}, {s.DeleteValue(ctx, "a/b", "none"), http.StatusNotFound},
		{s.SetValue(ctx, "A/b", "k", nil), http.StatusBadRequest}, {s.SetValue(ctx, "a/b", "", nil), http.StatusBadRequest},
	} {
		var answered *admin.Error
		if !errors.As(c.err, &answered) || answered.Status != c.status {
			t.Errorf("got %v, want the status %d", c.err, c.status)
		}
	}
}

// TestExportBreaksOff: the client of an export that could not be finished learns of it.
func TestExportBreaksOff(t *testing.T) {
	s := serve(t, func(c *admin.Config) { c.KeyValue = brokenStore{keyvalue.NewMemory()} })
	var last error
	for _, err := range s.Export(t.Context(), "a/b") {
		last = err
	}
	if last == nil {
		t.Error("there is no error")
	}
}

// brokenStore breaks off an export.
type brokenStore struct{ keyvalue.Store }

func (brokenStore) Export(_ context.Context, _ string, each func(key string, data []byte) error) error {
	for i := range 10 {
		if err := each(fmt.Sprint(i), make([]byte, 100_000)); err != nil {
			return err
		}
	}
	return errors.New("the disk is gone")
}
