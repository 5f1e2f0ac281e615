package machine

import (
	"maps"
	"runtime/debug"
	"testing"

	"github.com/airhost/airhost/internal/bench/data/result"
)

func TestDescribeBuild(t *testing.T) {
	env := result.Environment{Modules: make(map[string]string)}
	DescribeBuild(&env, &debug.BuildInfo{
		Deps: []*debug.Module{
			{Path: "example.com/a", Version: "v1.2.3"},
			{Path: "example.com/b", Version: "v0.1.0", Replace: &debug.Module{Path: "/home/someone/b"}},
		},
		Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "abc123"}, {Key: "vcs.modified", Value: "true"}},
	})
	want := map[string]string{"example.com/a": "v1.2.3", "example.com/b": "v0.1.0 (replaced)"}
	if !maps.Equal(env.Modules, want) || env.Commit != "abc123" || !env.Modified {
		t.Errorf("got %v, commit %q, modified %v; want %v, abc123, true", env.Modules, env.Commit, env.Modified, want)
	}
}
