package host_test

import (
	"context"

	"github.com/airhost/airhost/core"
)

// plain is an engine that keeps no ledger, around one that may.
type plain struct{ core.Engine }

type plainComponent struct{ core.Component }

func (e plain) Compile(ctx context.Context, src core.Source, limits core.Limits) (core.Component, error) {
	c, err := e.Engine.Compile(ctx, src, limits)
	if err != nil {
		return nil, err
	}
	return plainComponent{c}, nil
}

func (c plainComponent) Traits() core.Traits {
	traits := c.Component.Traits()
	traits.KeepsLedger = false
	return traits
}
