package natskv

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/reach/keyvalue/internal/change"
)

// The headers of an atomic batch (ADR-50 of NATS), and of a message that ends by itself (ADR-43).
const (
	batchID       = "Nats-Batch-Id"
	batchSequence = "Nats-Batch-Sequence"
	batchCommit   = "Nats-Batch-Commit"
	timeToLive    = "Nats-TTL"
)

const (
	// removedFor is how long NATS keeps the message of a key that was removed.
	removedFor = "60s"
	// headers is how many bytes of a message's size are left for its headers.
	headers = 1 << 10
	// maxPause is the longest pause before a change is tried again that another host has crossed.
	maxPause = 8 * time.Millisecond
	// maxRefusals is how often a batch is tried again that the server did not take whole.
	maxRefusals = 10
)

var (
	// errCrossed is returned for a change that came after another one of the same key or bucket.
	errCrossed = errors.New("the bucket was changed meanwhile")
	// errRefused is returned for a batch of which the server has not taken all: too many are in
	// progress.
	errRefused = errors.New("NATS has not taken the change")
)

// Write implements [host.StoreBucket]. Changes of one host come one after the other. Those of several
// hosts may cross each other: all but one of them are made anew then, from what the stream has.
func (b *bucket) Write(ctx context.Context, w host.BucketWrite) (host.BucketWritten, error) {
	ctx, cancel := context.WithTimeout(ctx, b.store.patience)
	defer cancel()
	select {
	case b.turn <- struct{}{}:
		defer func() { <-b.turn }()
	case <-ctx.Done():
		return host.BucketWritten{}, fmt.Errorf("nothing was changed: %w", ctx.Err())
	}
	for refusals := 0; ; {
		done, err := b.try(ctx, &w)
		switch {
		case errors.Is(err, errRefused):
			if refusals++; refusals == maxRefusals {
				return done, err
			}
		case !errors.Is(err, errCrossed):
			return done, err
		}
		select {
		case <-time.After(mathrand.N(maxPause)):
		case <-ctx.Done():
			return host.BucketWritten{}, fmt.Errorf("nothing was changed, since other hosts change the bucket all the time: %w", ctx.Err())
		}
	}
}

// try makes a change, if nobody else does at the same time.
func (b *bucket) try(ctx context.Context, w *host.BucketWrite) (host.BucketWritten, error) {
	u, sequence, err := b.readUsage(ctx)
	if err != nil {
		return host.BucketWritten{}, err
	}
	e, err := b.last(ctx, b.keySubject(w.Key))
	if err != nil {
		return host.BucketWritten{}, err
	}
	old := e.value()
	c, err := change.Of(w, old)
	if err != nil || c.None {
		return c.Done, err
	}
	used, err := change.After(host.BucketUsage{Bytes: u.Bytes, Keys: u.Keys}, w, old, &c)
	if err != nil {
		return host.BucketWritten{}, err
	}
	next := usage{Bytes: used.Bytes, Keys: used.Keys, Changes: u.Changes}
	if (old.Version == 0) != c.Remove {
		next.Changes++
	}
	messages := []*nats.Msg{b.message(b.keySubject(w.Key), e.sequence, c.Data)}
	if c.Remove {
		messages[0].Header.Set(operation, removal)
		messages[0].Header.Set(timeToLive, removedFor)
	}
	if next != u {
		data, err := json.Marshal(next)
		if err != nil {
			return host.BucketWritten{}, err
		}
		messages = append(messages, b.message(b.usageSubject(), sequence, data))
	}
	if err := b.store.publish(ctx, messages); err != nil {
		return host.BucketWritten{}, err
	}
	return c.Done, nil
}

// message is one that the stream takes if its subject's last one has this sequence.
func (b *bucket) message(subject string, last uint64, data []byte) *nats.Msg {
	return &nats.Msg{Subject: subject, Data: data, Header: nats.Header{
		jetstream.ExpectedLastSubjSeqHeader: {strconv.FormatUint(last, 10)},
		jetstream.ExpectedStreamHeader:      {b.store.Stream()},
	}}
}

// publish publishes one message, or several as an atomic batch.
func (s *Store) publish(ctx context.Context, messages []*nats.Msg) error {
	_, conn, err := s.open(ctx)
	if err != nil {
		return err
	}
	if size, most := len(messages[0].Data), int(conn.MaxPayload())-headers; size > most {
		return fmt.Errorf("the value has %d bytes, and the NATS server takes %d (its max_payload)", size, most)
	}
	last := len(messages) - 1
	if last > 0 {
		id := rand.Text()
		for i, m := range messages {
			m.Header.Set(batchID, id)
			m.Header.Set(batchSequence, strconv.Itoa(i+1))
		}
		messages[last].Header.Set(batchCommit, "1")
	}
	for _, m := range messages[:last] {
		if err := conn.PublishMsg(m); err != nil {
			return fmt.Errorf("nothing was changed: %w", err)
		}
	}
	return s.commit(ctx, conn, messages[last])
}

// commit publishes the last message of a change, and returns if it was made.
func (s *Store) commit(ctx context.Context, conn *nats.Conn, m *nats.Msg) error {
	got, err := conn.RequestMsgWithContext(ctx, m)
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		s.forget(err)
		return fmt.Errorf("nothing was changed: %w", explained(err))
	case err != nil:
		return fmt.Errorf("NATS has not answered, and it is unknown whether a change was made: %w", err)
	}
	var answer struct {
		Error    *jetstream.APIError `json:"error"`
		Sequence uint64              `json:"seq"`
	}
	if err := json.Unmarshal(got.Data, &answer); err != nil {
		return fmt.Errorf("the answer of NATS is damaged, and it is unknown whether a change was made: %w", err)
	}
	if answer.Error == nil {
		return nil
	}
	switch answer.Error.ErrorCode {
	case jetstream.JSErrCodeStreamWrongLastSequence, jetstream.JSErrCodeStreamWrongLastSequenceConstant:
		return errCrossed
	case incompleteBatch, tooManyBatches:
		return fmt.Errorf("%w: %w", errRefused, answer.Error)
	}
	return fmt.Errorf("nothing was changed: NATS has refused it: %w", answer.Error)
}

// The codes of errors for a batch of which not all was taken.
const (
	incompleteBatch jetstream.ErrorCode = 10176
	tooManyBatches  jetstream.ErrorCode = 10210
)
