package wasi

import (
	"errors"
	"fmt"

	"github.com/airhost/airhost/core"
)

const config = "wasi:config/store"

// configured is a fake with settings, which fail if broken.
type configured struct {
	*fake
	broken error
}

func (c *configured) Setting(key string) (string, bool, error) {
	return "of " + key, key != "none", c.broken
}

func (c *configured) AllSettings() ([]core.ConfigPair, error) {
	return []core.ConfigPair{{Key: "a", Value: "1"}, {Key: "b", Value: ""}}, c.broken
}

func testConfig(g *fake) {
	g.call(config, "get", "key")
	want(g, "a host without settings", fmt.Sprint(g.u8(area), g.u8(area+4)), "0 0")
	g.call(config, "get-all")
	want(g, "all of a host without settings", fmt.Sprint(g.u8(area), g.u32(area+8)), "0 0")
	own := &configured{fake: g}
	g.in = New(own, nil)
	g.call(config, "get", "key")
	want(g, "get", fmt.Sprint(g.u8(area), g.u8(area+4), g.text(area+8)), "0 1of key")
	g.call(config, "get", "none")
	want(g, "get", fmt.Sprint(g.u8(area), g.u8(area+4)), "0 0")
	g.call(config, "get-all")
	want(g, "get-all", fmt.Sprint(g.u8(area), g.texts(area+4, 2)), "0 [a 1 b ]")
	for _, test := range []struct {
		err  error
		want string
	}{
		{&core.SettingsError{Case: core.SettingsUpstream, Text: "away"}, "1 0away"},
		{errors.New("unreadable"), "1 1unreadable"},
	} {
		own.broken = test.err
		g.call(config, "get", "key")
		want(g, "an error of get", fmt.Sprint(g.u8(area), g.u8(area+4), g.text(area+8)), test.want)
		g.call(config, "get-all")
		want(g, "an error of get-all", fmt.Sprint(g.u8(area), g.u8(area+4), g.text(area+8)), test.want)
	}
}
