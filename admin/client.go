package admin

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/airhost/airhost/core"
)

// Client talks to the API of a running host. Its methods may be called from any goroutine.
// They block until the host has answered, or until their context ends. An error of the
// host's is an [*Error].
type Client struct {
	http    http.Client
	base    string
	address string
	token   string
}

// NewClient returns a client for an address: the path of a Unix socket, or host:port with the
// token of the host's host.admin_token_file. It does not connect yet.
func NewClient(address, token string) *Client {
	c := &Client{address: address, token: token, base: "http://airhost"}
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	network := "unix"
	if !IsSocket(address) {
		network, c.base = "tcp", "http://"+address
	}
	c.http.Transport = &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			if network == "unix" {
				return dialer.DialContext(ctx, network, localPath(address))
			}
			return dialer.DialContext(ctx, network, address)
		},
		MaxIdleConns: 4, IdleConnTimeout: time.Minute,
	}
	return c
}

// IsSocket reports whether an address is the path of a Unix socket, not host:port: it has a
// slash, or no colon.
func IsSocket(address string) bool {
	return strings.ContainsAny(address, `/\`) || !strings.Contains(address, ":")
}

// Address is the address that the client was made for.
func (c *Client) Address() string { return c.address }

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Snapshot returns the state of the host.
func (c *Client) Snapshot(ctx context.Context) (*Snapshot, error) {
	return get[*Snapshot](ctx, c, "/v1/snapshot")
}

// Components returns the components, in the order of their ids.
func (c *Client) Components(ctx context.Context) ([]Component, error) {
	return get[[]Component](ctx, c, "/v1/components")
}

// Cluster returns the cluster of the host, with the states of all hosts.
func (c *Client) Cluster(ctx context.Context) (*Cluster, error) {
	return get[*Cluster](ctx, c, "/v1/cluster")
}

// Component returns one component.
func (c *Client) Component(ctx context.Context, id core.ComponentID) (*Component, error) {
	return get[*Component](ctx, c, componentPath(id))
}

// Restart makes fresh instances of a component, as [host.Host.Restart]. It also brings a
// component back that has failed.
func (c *Client) Restart(ctx context.Context, id core.ComponentID) error {
	return c.do(ctx, http.MethodPost, componentPath(id)+"/restart", nil, nil)
}

// Undeploy removes a component.
func (c *Client) Undeploy(ctx context.Context, id core.ComponentID) error {
	return c.do(ctx, http.MethodDelete, componentPath(id), nil, nil)
}

// Put makes the host run one component as an entry of a file's components says, in YAML or
// JSON: it is added, replaced or updated. The source is a path on the host's machine.
func (c *Client) Put(ctx context.Context, id core.ComponentID, configuration []byte, progress func(Progress)) (*Applied, error) {
	return changed(ctx, c, http.MethodPut, componentPath(id), configuration, progress, new(Applied))
}

// Apply makes the host run a configuration file. progress, if not nil, is called
// for each step on the goroutine of the caller. An error says that nothing has changed, with the
// mistakes of the file; a single change that failed is in the result.
func (c *Client) Apply(ctx context.Context, a ApplyRequest, progress func(Progress)) (*Applied, error) {
	body, err := json.Marshal(a)
	if err != nil {
		return nil, err
	}
	return changed(ctx, c, http.MethodPost, "/v1/apply", body, progress, new(Applied))
}

// Drain gives the components with place: any to other hosts, or undoes that. progress is as in Apply.
// A component that could not move is in the result.
func (c *Client) Drain(ctx context.Context, d DrainRequest, progress func(Progress)) (*Drained, error) {
	body, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	return changed(ctx, c, http.MethodPost, "/v1/drain", body, progress, new(Drained))
}

// LogLevels returns the levels of the log.
func (c *Client) LogLevels(ctx context.Context) (*LogLevels, error) {
	return get[*LogLevels](ctx, c, "/v1/log-level")
}

// SetLogLevel changes a level of the log until the host ends.
func (c *Client) SetLogLevel(ctx context.Context, l LogLevel) error {
	return c.do(ctx, http.MethodPut, "/v1/log-level", l, nil)
}

// DeadLetters returns the dead letters that are kept, the oldest first, without payloads.
func (c *Client) DeadLetters(ctx context.Context) ([]DeadLetter, error) {
	return get[[]DeadLetter](ctx, c, "/v1/dead-letters")
}

// DeadLetter returns one dead letter with its payload.
func (c *Client) DeadLetter(ctx context.Context, number uint64) (*DeadLetter, error) {
	return get[*DeadLetter](ctx, c, deadLetterPath(number))
}

// Resend sends a dead letter again and forgets it, as [host.Host.Resend].
func (c *Client) Resend(ctx context.Context, number uint64) error {
	return c.do(ctx, http.MethodPost, deadLetterPath(number)+"/resend", nil, nil)
}

// DropDeadLetter forgets a dead letter.
func (c *Client) DropDeadLetter(ctx context.Context, number uint64) error {
	return c.do(ctx, http.MethodDelete, deadLetterPath(number), nil, nil)
}

// DropDeadLetters forgets all dead letters, and returns their number.
func (c *Client) DropDeadLetters(ctx context.Context) (int, error) {
	var d Dropped
	err := c.do(ctx, http.MethodDelete, "/v1/dead-letters", nil, &d)
	return d.Dropped, err
}

// Send sends a fire-and-forget message in the name of airhost/admin.
func (c *Client) Send(ctx context.Context, target core.ComponentID, payload []byte) error {
	_, err := c.message(ctx, "/v1/messages", url.Values{"target": {target.String()}}, payload)
	return err
}

// Request sends a request in the name of airhost/admin and returns the response. A timeout of
// 0 is the host's.
func (c *Client) Request(ctx context.Context, target core.ComponentID, payload []byte, timeout time.Duration) ([]byte, error) {
	query := url.Values{"target": {target.String()}}
	if timeout > 0 {
		query.Set("timeout", timeout.String())
	}
	return c.message(ctx, "/v1/requests", query, payload)
}

// Stream selects the entries of a stream.
type Stream struct {
	// Follow goes on with the entries that come, until the context ends.
	Follow bool
	// Last is how many of the entries that the host has kept come first; a negative number
	// is all of them.
	Last int
	// Component selects the entries of one component; the zero value all.
	Component core.ComponentID
	// Level is the least level of log entries, such as "warn"; empty for all.
	Level string
}

func (s Stream) query() string {
	q := url.Values{}
	if s.Follow {
		q.Set("follow", "true")
	}
	if s.Last >= 0 {
		q.Set("last", strconv.Itoa(s.Last))
	}
	if !s.Component.IsZero() {
		q.Set("component", s.Component.String())
	}
	if s.Level != "" {
		q.Set("level", s.Level)
	}
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

// Events returns changes of the components' states. The sequence ends with an error, with the
// context, or with the host.
func (c *Client) Events(ctx context.Context, s Stream) iter.Seq2[Event, error] {
	return stream[Event](ctx, c, "/v1/events"+s.query())
}

// Logs returns lines of the log, as Events.
func (c *Client) Logs(ctx context.Context, s Stream) iter.Seq2[LogEntry, error] {
	return stream[LogEntry](ctx, c, "/v1/logs"+s.query())
}

func componentPath(id core.ComponentID) string {
	return "/v1/components/" + id.Namespace() + "/" + id.Name()
}

func deadLetterPath(number uint64) string {
	return "/v1/dead-letters/" + strconv.FormatUint(number, 10)
}

func get[T any](ctx context.Context, c *Client, path string) (T, error) {
	var result T
	err := c.do(ctx, http.MethodGet, path, nil, &result)
	return result, err
}

// do sends a request with a body in JSON, and reads a response in JSON. Both may be nil.
func (c *Client) do(ctx context.Context, method, path string, body, result any) error {
	var content []byte
	if body != nil {
		var err error
		if content, err = json.Marshal(body); err != nil {
			return err
		}
	}
	response, err := c.roundTrip(ctx, method, path, content, "application/json")
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if result == nil {
		_, err = io.Copy(io.Discard, response.Body)
		return err
	}
	return json.NewDecoder(response.Body).Decode(result)
}

// message sends a message: its body is the payload as it is, and so is the response.
func (c *Client) message(ctx context.Context, path string, query url.Values, payload []byte) ([]byte, error) {
	response, err := c.roundTrip(ctx, http.MethodPost, path+"?"+query.Encode(), payload, "application/octet-stream")
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	return io.ReadAll(response.Body)
}

// changed sends a request that is answered by progress and then a result.
func changed[T any](ctx context.Context, c *Client, method, path string, body []byte, progress func(Progress), result *T) (*T, error) {
	response, err := c.roundTrip(ctx, method, path, body, "text/event-stream")
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	for e, err := range serverSentEvents(response.Body) {
		switch {
		case err != nil:
			return nil, fmt.Errorf("the connection ended before the host was done: %w", cmp.Or(ctx.Err(), err))
		case e.name == "progress":
			var p Progress
			if err := json.Unmarshal(e.data, &p); err != nil {
				return nil, err
			}
			if progress != nil {
				progress(p)
			}
		case e.name == "result":
			return result, json.Unmarshal(e.data, result)
		case e.name == "error":
			return nil, failure(0, e.data)
		}
	}
	return nil, errors.Join(errors.New("the host closed the connection before it was done"), ctx.Err())
}

// roundTrip sends a request. It returns an error for every status that is none of success.
func (c *Client) roundTrip(ctx context.Context, method, path string, body []byte, accept string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", accept)
	request.Header.Set("Content-Type", "application/octet-stream")
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	if response.StatusCode < 300 {
		return response, nil
	}
	defer response.Body.Close()
	data, _ := io.ReadAll(io.LimitReader(response.Body, 16<<20)) // the part that came says enough
	return nil, failure(response.StatusCode, data)
}

// ErrUnreachable is wrapped by the error for an address where no host answers.
var ErrUnreachable = errors.New("no host answers")

func (c *Client) unreachable(ctx context.Context, err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	if ctx.Err() != nil {
		return err
	}
	return fmt.Errorf("%w at %s: %w", ErrUnreachable, c.address, err)
}

// failure reads the error of a response, or of an event: then the status is 0.
func failure(status int, body []byte) error {
	var a answer
	if json.Unmarshal(body, &a) != nil || a.Error == nil {
		return &Error{Status: status, Code: CodeFailed, Message: fmt.Sprintf("the host answered %d %s", status, http.StatusText(status))}
	}
	a.Error.Status = cmp.Or(status, errorOf(a.Error).Status)
	return a.Error
}

// stream reads the entries of a stream.
func stream[T any](ctx context.Context, c *Client, path string) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		response, err := c.roundTrip(ctx, http.MethodGet, path, nil, "text/event-stream")
		if err != nil {
			yield(none, err)
			return
		}
		defer response.Body.Close()
		for e, err := range serverSentEvents(response.Body) {
			var entry T
			switch {
			case ctx.Err() != nil, e.name == "end":
				return
			case err == nil && e.name == "error":
				err = failure(0, e.data)
			case err == nil:
				err = json.Unmarshal(e.data, &entry)
			}
			if !yield(entry, err) || err != nil {
				return
			}
		}
	}
}

// maxEntry is the largest entry of a stream, in bytes.
const maxEntry = 16 << 20

// event is a server-sent event.
type event struct {
	name string
	data []byte
}

// serverSentEvents reads the events of a stream as the HTML standard describes them, as far as
// the server writes them: a name, and one line of data. An error is the last one.
func serverSentEvents(from io.Reader) iter.Seq2[event, error] {
	return func(yield func(event, error) bool) {
		lines := bufio.NewScanner(from)
		lines.Buffer(nil, maxEntry)
		var e event
		for lines.Scan() {
			field, value, _ := strings.Cut(lines.Text(), ":")
			value = strings.TrimPrefix(value, " ")
			switch {
			case field == "event":
				e.name = value
			case field == "data":
				e.data = append(e.data, value...)
			case lines.Text() != "" || e.data == nil: // a comment, a number, the end of nothing
			case !yield(e, nil):
				return
			default:
				e = event{}
			}
		}
		if err := lines.Err(); err != nil {
			yield(event{}, err)
		}
	}
}
