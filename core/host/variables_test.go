package host_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
)

// readingToy notes the variables and arguments of its instances.
type readingToy struct {
	*toy
	got *[]string
}

func (r readingToy) Instantiate(ctx context.Context, env core.Environment) (core.Instance, error) {
	*r.got = append(*r.got, fmt.Sprint(env.Variables, env.Arguments))
	return r.toy.Instantiate(ctx, env)
}

// TestVariables: the engine gets a component's variables and arguments, and others after a replacement.
func TestVariables(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{})
		var got []string
		d := toyDeployment("a/reader", &toy{})
		d.Source.Value = readingToy{d.Source.Value.(*toy), &got}
		d.Env, d.Args = []core.ConfigPair{{Key: "TZ", Value: "UTC"}}, []string{"-v"}
		check(t, h.Deploy(within(t), d))
		d.Args = nil
		check(t, h.Replace(within(t), d))
		if want := "[[{TZ UTC}] [-v] [{TZ UTC}] []]"; fmt.Sprint(got) != want {
			t.Errorf("got %s, want %s", fmt.Sprint(got), want)
		}
	})
}
