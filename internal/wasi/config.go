package wasi

import "github.com/airhost/airhost/core"

// configMethods are those of wasi:config/store.
var configMethods = map[string]method{
	"get":     func(c *call) any { return setting(c.config.Setting(c.args[0].(string))) },
	"get-all": allSettings,
}

func setting(value string, found bool, err error) any {
	switch {
	case err != nil:
		return configError(err)
	case !found:
		return ok(none)
	}
	return ok(some(value))
}

func allSettings(c *call) any {
	all, err := c.config.AllSettings()
	if err != nil {
		return configError(err)
	}
	list := make([]any, len(all))
	for i, p := range all {
		list[i] = []any{p.Key, p.Value}
	}
	return ok(list)
}

// configError returns the error of wasi:config as a result.
func configError(err error) any {
	e := core.AsSettingsError(err)
	return failed(variant{uint32(e.Case), e.Text})
}
