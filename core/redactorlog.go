package core

import (
	"context"
	"fmt"
	"log/slog"
)

// Handler returns a handler of logs that passes records on to next, without the secrets that r
// knows. While r knows none, a record costs nothing more than with next alone. A handler that r has
// made is returned as it is.
func (r *Redactor) Handler(next slog.Handler) slog.Handler {
	if h, is := next.(*redactingHandler); is && h.secrets == r {
		return next
	}
	return &redactingHandler{r, next}
}

type redactingHandler struct {
	secrets *Redactor
	next    slog.Handler
}

// Enabled implements [slog.Handler].
func (h *redactingHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

// Handle implements [slog.Handler].
func (h *redactingHandler) Handle(ctx context.Context, record slog.Record) error {
	if !h.secrets.Knows() {
		return h.next.Handle(ctx, record)
	}
	clean := slog.NewRecord(record.Time, record.Level, h.secrets.Text(record.Message), record.PC)
	record.Attrs(func(a slog.Attr) bool {
		clean.AddAttrs(h.secrets.attr(a))
		return true
	})
	return h.next.Handle(ctx, clean)
}

// WithAttrs implements [slog.Handler]. The attributes are without the secrets that are known now.
func (h *redactingHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &redactingHandler{h.secrets, h.next.WithAttrs(h.secrets.attrs(attrs))}
}

// WithGroup implements [slog.Handler].
func (h *redactingHandler) WithGroup(name string) slog.Handler {
	return &redactingHandler{h.secrets, h.next.WithGroup(name)}
}

func (r *Redactor) attrs(attrs []slog.Attr) []slog.Attr {
	if !r.Knows() {
		return attrs
	}
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clean[i] = r.attr(a)
	}
	return clean
}

// attr returns an attribute without secrets. A value of any type becomes its text if that has one.
func (r *Redactor) attr(a slog.Attr) slog.Attr {
	switch a.Value = a.Value.Resolve(); a.Value.Kind() {
	case slog.KindString:
		return slog.String(a.Key, r.Text(a.Value.String()))
	case slog.KindGroup:
		return slog.Attr{Key: a.Key, Value: slog.GroupValue(r.attrs(a.Value.Group())...)}
	case slog.KindAny:
		written := anyText(a.Value.Any())
		if clean := r.Text(written); clean != written {
			return slog.String(a.Key, clean)
		}
	}
	return a
}

// anyText is the text of a value, as handlers write it.
func anyText(v any) string {
	if b, is := v.([]byte); is {
		return string(b)
	}
	return fmt.Sprintf("%+v", v)
}
