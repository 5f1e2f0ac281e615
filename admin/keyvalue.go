package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
)

// KeyValueStore is the key-value store of a host, as operators use it.
type KeyValueStore interface {
	host.KeyValueStore

	// Buckets returns the names of the buckets that are not empty, sorted.
	Buckets(ctx context.Context) ([]string, error)
	// Export calls each with the pairs of a bucket as they were at one moment.
	Export(ctx context.Context, bucket string, each func(key string, data []byte) error) error
}

// KeyValueBucket is a bucket of the key-value store.
type KeyValueBucket struct {
	Name  string `json:"name" doc:"The id of the component whose own it is, or the name of a bucket that components share."`
	Bytes int64  `json:"bytes" doc:"Of all keys and values."`
	Keys  int64  `json:"keys"`
}

// KeyValueKeys are some keys of a bucket.
type KeyValueKeys struct {
	Keys []string `json:"keys" doc:"In their order, 1,000 at most."`
	More bool     `json:"more" doc:"There are others: ask for those after the last one."`
}

// KeyValueEntry is a key with its value.
type KeyValueEntry struct {
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
	Value  []byte `json:"value"`
}

// keysAtOnce is how many keys come at once.
const keysAtOnce = 1000

const jsonLines = "application/x-ndjson"

var (
	ofBucket = parameter{"bucket", "string", "The id of a component, for its own bucket, or the name of one that components share."}
	ofKey    = parameter{"key", "string", "The key."}
)

// keyValueRoutes are the operations on the key-value store.
var keyValueRoutes = []route{
	{method: "GET", path: "/v1/keyvalue", about: "The buckets of the key-value store that are not empty.", response: []KeyValueBucket{}, failures: []int{501, 502}, handle: (*Server).getBuckets},
	{method: "GET", path: "/v1/keyvalue/keys", about: "Keys of a bucket.", parameters: []parameter{ofBucket, {"after", "string", "The key that comes before them; the first ones by default."}},
		response: KeyValueKeys{}, failures: []int{501, 502}, handle: (*Server).getKeys},
	{method: "GET", path: "/v1/keyvalue/value", about: "The value of a key.", parameters: []parameter{ofBucket, ofKey}, response: KeyValueEntry{}, failures: []int{404, 501, 502}, handle: (*Server).getValue},
	{method: "PUT", path: "/v1/keyvalue/value", about: "Set the value of a key. No quota bounds it.", request: KeyValueEntry{}, failures: []int{429, 501, 502}, handle: (*Server).putValue},
	{method: "DELETE", path: "/v1/keyvalue/value", about: "Remove a key.", parameters: []parameter{ofBucket, ofKey}, failures: []int{404, 429, 501, 502}, handle: (*Server).deleteValue},
	{method: "GET", path: "/v1/keyvalue/export", about: "All keys of a bucket with their values as they are at one moment, one KeyValueEntry a line.", parameters: []parameter{ofBucket}, kind: jsonLines, failures: []int{429, 501, 502}, handle: (*Server).getExport},
}

// bucket returns the bucket that a request names.
func (s *Server) bucket(name string) (host.StoreBucket, error) {
	if s.config.KeyValue == nil {
		return nil, unsupported("key-value store: its file has no keyvalue")
	}
	_, err := core.ParseComponentID(name)
	if err != nil && core.CheckBucket(name) != nil {
		return nil, invalid("bucket: %v (or the name of a shared bucket)", err)
	}
	return s.config.KeyValue.Bucket(name), nil
}

func (s *Server) getBuckets(_ http.ResponseWriter, r *http.Request) (any, error) {
	if s.config.KeyValue == nil {
		return nil, unsupported("key-value store: its file has no keyvalue")
	}
	return BucketsOf(r.Context(), s.config.KeyValue)
}

// BucketsOf returns the buckets of a store that are not empty.
func BucketsOf(ctx context.Context, store KeyValueStore) ([]KeyValueBucket, error) {
	names, err := store.Buckets(ctx)
	all := []KeyValueBucket{}
	for _, name := range names {
		var used host.BucketUsage
		if used, err = store.Bucket(name).Usage(ctx); err != nil {
			break
		}
		all = append(all, KeyValueBucket{Name: name, Bytes: used.Bytes, Keys: used.Keys})
	}
	return all, err
}

func (s *Server) getKeys(_ http.ResponseWriter, r *http.Request) (any, error) {
	b, err := s.bucket(r.URL.Query().Get("bucket"))
	if err != nil {
		return nil, err
	}
	keys, more, err := b.Keys(r.Context(), r.URL.Query().Get("after"), keysAtOnce)
	return KeyValueKeys{Keys: append([]string{}, keys...), More: more}, err
}

func (s *Server) getValue(_ http.ResponseWriter, r *http.Request) (any, error) {
	q := r.URL.Query()
	b, err := s.bucket(q.Get("bucket"))
	if err != nil {
		return nil, err
	}
	v, err := b.Get(r.Context(), q.Get("key"))
	if err == nil && v.Version == 0 {
		err = noKey(q.Get("bucket"), q.Get("key"))
	}
	return KeyValueEntry{Bucket: q.Get("bucket"), Key: q.Get("key"), Value: append([]byte{}, v.Data...)}, err
}

func noKey(bucket, key string) error {
	return &Error{Status: http.StatusNotFound, Code: CodeNotFound, Message: fmt.Sprintf("the bucket %s has no key %q", bucket, core.CutText(key, 200))}
}

func (s *Server) putValue(w http.ResponseWriter, r *http.Request) (any, error) {
	body, leave, err := s.payload(w, r)
	defer leave()
	if err != nil {
		return nil, err
	}
	var e KeyValueEntry
	if err := json.Unmarshal(body, &e); err != nil {
		return nil, invalid("the body is not as it should be: %v", err)
	}
	b, err := s.bucket(e.Bucket)
	if err != nil {
		return nil, err
	}
	if err := core.CheckKey(e.Key); err != nil {
		return nil, invalid("%v", err)
	}
	_, err = b.Write(r.Context(), host.BucketWrite{Kind: host.WriteSet, Key: e.Key, Data: e.Value, Quota: host.NoBucketQuota})
	return nil, err
}

func (s *Server) deleteValue(_ http.ResponseWriter, r *http.Request) (any, error) {
	q := r.URL.Query()
	b, err := s.bucket(q.Get("bucket"))
	if err != nil {
		return nil, err
	}
	v, err := b.Get(r.Context(), q.Get("key"))
	switch {
	case err != nil:
		return nil, err
	case v.Version == 0:
		return nil, noKey(q.Get("bucket"), q.Get("key"))
	}
	_, err = b.Write(r.Context(), host.BucketWrite{Kind: host.WriteDelete, Key: q.Get("key"), Quota: host.NoBucketQuota})
	return nil, err
}

// exported is how many bytes of an export are written at once.
const exported = 256 << 10

func (s *Server) getExport(w http.ResponseWriter, r *http.Request) (any, error) {
	bucket := r.URL.Query().Get("bucket")
	if _, err := s.bucket(bucket); err != nil {
		return nil, err
	}
	if !s.streams.take(1) {
		return nil, tooMany("there are %d streams already: end one", s.config.MaxStreams)
	}
	defer s.streams.give(1)
	w.Header().Set("Content-Type", jsonLines)
	w.Header().Set("Cache-Control", "no-store")
	out := &exportWriter{to: w, control: http.NewResponseController(w), timeout: s.config.WriteTimeout}
	all := bufio.NewWriterSize(out, exported)
	err := Export(r.Context(), s.config.KeyValue, bucket, all)
	if err == nil {
		err = all.Flush()
	}
	switch {
	case err == nil:
		return answered{}, nil
	case out.begun: // the status has been sent: the client sees that the end is missing
		panic(http.ErrAbortHandler)
	}
	return nil, err
}

// Export writes the pairs of a bucket, one [KeyValueEntry] in JSON a line.
func Export(ctx context.Context, store KeyValueStore, bucket string, to io.Writer) error {
	lines := json.NewEncoder(to)
	return store.Export(ctx, bucket, func(key string, data []byte) error {
		if data == nil { // which would be null in JSON
			data = []byte{}
		}
		return lines.Encode(KeyValueEntry{Bucket: bucket, Key: key, Value: data})
	})
}

// exportWriter writes to a client that must take each part in time.
type exportWriter struct {
	to      io.Writer
	control *http.ResponseController
	timeout time.Duration
	begun   bool
}

// Write implements [io.Writer].
func (x *exportWriter) Write(b []byte) (int, error) {
	x.begun = true
	_ = x.control.SetWriteDeadline(time.Now().Add(x.timeout)) // all our connections have one
	return x.to.Write(b)
}

// Buckets returns the buckets of the host's key-value store that are not empty.
func (c *Client) Buckets(ctx context.Context) ([]KeyValueBucket, error) {
	return get[[]KeyValueBucket](ctx, c, "/v1/keyvalue")
}

// Keys returns keys of a bucket that come after another one, "" for the first ones.
func (c *Client) Keys(ctx context.Context, bucket, after string) (*KeyValueKeys, error) {
	query := url.Values{"bucket": {bucket}}
	if after != "" {
		query.Set("after", after)
	}
	return get[*KeyValueKeys](ctx, c, "/v1/keyvalue/keys?"+query.Encode())
}

// Value returns the value of a key.
func (c *Client) Value(ctx context.Context, bucket, key string) ([]byte, error) {
	e, err := get[KeyValueEntry](ctx, c, valuePath(bucket, key))
	return e.Value, err
}

func valuePath(bucket, key string) string {
	return "/v1/keyvalue/value?" + url.Values{"bucket": {bucket}, "key": {key}}.Encode()
}

// SetValue sets the value of a key.
func (c *Client) SetValue(ctx context.Context, bucket, key string, value []byte) error {
	return c.do(ctx, http.MethodPut, "/v1/keyvalue/value", KeyValueEntry{Bucket: bucket, Key: key, Value: value}, nil)
}

// DeleteValue removes a key.
func (c *Client) DeleteValue(ctx context.Context, bucket, key string) error {
	return c.do(ctx, http.MethodDelete, valuePath(bucket, key), nil, nil)
}

// Export returns the pairs of a bucket as they are at one moment. The last one may have an error.
func (c *Client) Export(ctx context.Context, bucket string) iter.Seq2[KeyValueEntry, error] {
	return func(yield func(KeyValueEntry, error) bool) {
		response, err := c.roundTrip(ctx, http.MethodGet, "/v1/keyvalue/export?"+url.Values{"bucket": {bucket}}.Encode(), nil, jsonLines)
		if err != nil {
			yield(KeyValueEntry{}, err)
			return
		}
		defer response.Body.Close()
		for lines := json.NewDecoder(response.Body); ; {
			var e KeyValueEntry
			switch err := lines.Decode(&e); {
			case errors.Is(err, io.EOF):
				return
			case err != nil:
				yield(e, fmt.Errorf("the export broke off: %w", err))
				return
			case !yield(e, nil):
				return
			}
		}
	}
}
