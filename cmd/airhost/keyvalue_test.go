package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// withStore is a file with a store that two components may use.
const withStore = `
keyvalue: {path: state.db, sync: true, buckets: {prices: {keys: 5}}}
components:
  - {id: shop/echo, source: echo, engine: native, capabilities: {keyvalue: [default, prices]}}
`

type commandCase struct {
	args []string
	code int
	want string // a part of the output
}

func runCases(t *testing.T, cases []commandCase) {
	t.Helper()
	for _, test := range cases {
		if got := runArgs(test.args...); got.code != test.code || !strings.Contains(got.stdout+got.stderr, test.want) {
			t.Errorf("%q: %+v, want %d and %q", test.args, got, test.code, test.want)
		}
	}
}

// TestKeyValueCommands: the commands use the file of the store while no host runs, and the host
// while it does.
func TestKeyValueCommands(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv(hostVariable, "")
	file := writeFile(t, "airhost.yaml", withStore)
	runCases(t, []commandCase{
		{[]string{"kv", "list", file}, exitFailed, "there is no " + filepath.Join(filepath.Dir(file), "state.db") + " yet"},
		{[]string{"kv", "set", file, "shop/echo", "greeting", "--data", "hello"}, exitDone, ""},
		{[]string{"kv", "get", file, "shop/echo", "greeting"}, exitDone, "hello"},
		{[]string{"kv", "get", file, "shop/echo", "none"}, exitFailed, `the bucket shop/echo has no key "none"`},
		{[]string{"kv", "set", file, "Shop", "k", "--data", ""}, exitUsage, "BUCKET"},
		{[]string{"kv", "set", file, "prices", "", "--data", ""}, exitUsage, "the key is empty"},
		{[]string{"kv", "list", "--host", "nowhere.sock"}, exitFailed, "no host answers"},
	})
	end := startHost(t, file)
	runCases(t, []commandCase{
		{[]string{"kv", "get", file, "shop/echo", "greeting"}, exitDone, "hello"},
		{[]string{"kv", "set", file, "prices", "apple", "--data", "3"}, exitDone, ""},
		{[]string{"kv", "set", file, "prices", "pear", "--data", "4"}, exitDone, ""},
		{[]string{"kv", "list", file}, exitDone, "prices        2  11 bytes"},
		{[]string{"kv", "list", file, "prices"}, exitDone, "apple\npear\n"},
		{[]string{"kv", "list", file, "prices", "--output", "json"}, exitDone, `"apple"`},
		{[]string{"kv", "export", file}, exitDone, `{"bucket":"prices","key":"apple","value":"Mw=="}` + "\n"},
		{[]string{"kv", "delete", file, "prices", "pear"}, exitDone, ""},
		{[]string{"kv", "delete", file, "prices", "pear"}, exitFailed, "no key"},
		{[]string{"kv", "set", file, "prices", "", "--data", ""}, exitUsage, "the key is empty"},
	})
	end()
	runCases(t, []commandCase{
		{[]string{"kv", "export", file, "prices"}, exitDone, `{"bucket":"prices","key":"apple","value":"Mw=="}` + "\n"},
		{[]string{"kv", "delete", file, "prices", "apple"}, exitDone, ""},
		{[]string{"kv", "list", file, "--output", "json"}, exitDone, `"keys": 1`},
	})
}

// TestKeyValueInMemory: a store in memory is there with its host alone, and check shows the buckets.
func TestKeyValueInMemory(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	t.Setenv(hostVariable, "")
	file := writeFile(t, "airhost.yaml", strings.Replace(withStore, "path: state.db, sync: true", "store: memory", 1))
	runCases(t, []commandCase{
		{[]string{"kv", "list", file}, exitFailed, "has no file of a key-value store"},
		{[]string{"check", file}, exitDone, "default prices"},
	})
	if err := os.WriteFile(file, []byte(strings.Replace(withStore, "default, prices", "defualt, price", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	runCases(t, []commandCase{
		{[]string{"check", file}, exitDone, `keyvalue.buckets has no defualt, did you mean "default"?`},
		{[]string{"check", file}, exitDone, `keyvalue.buckets has no price, did you mean "prices"?`},
	})
}

// TestImport: import sets all values that export has written: in a file, on a running host, and from standard input.
func TestImport(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv(hostVariable, "")
	first := writeFile(t, "first.yaml", withStore)
	odd := writeFile(t, "odd", "\x00\xff\n")
	runCases(t, []commandCase{
		{[]string{"kv", "set", first, "shop/echo", "ä \n\"", "--data-file", odd}, exitDone, ""},
		{[]string{"kv", "set", first, "shop/echo", "empty", "--data", ""}, exitDone, ""},
	})
	for i := range 8 { // more than the quota of the bucket
		runCases(t, []commandCase{{[]string{"kv", "set", first, "prices", strings.Repeat("k", i+1), "--data", "v"}, exitDone, ""}})
	}
	export := runArgs("kv", "export", first).stdout
	backup := writeFile(t, "backup.jsonl", export)

	second := writeFile(t, "second.yaml", strings.Replace(withStore, "state.db", "second.db", 1))
	runCases(t, []commandCase{{[]string{"kv", "import", second, backup}, exitDone, "10 keys are set"}})
	if again := runArgs("kv", "export", second).stdout; again != export || strings.Count(export, "\n") != 10 {
		t.Errorf("in a file the export is\n%s\nwant\n%s", again, export)
	}
	third := writeFile(t, "third.yaml", strings.Replace(withStore, "path: state.db, sync: true", "store: memory", 1))
	end := startHost(t, third)
	defer end()
	runCases(t, []commandCase{
		{[]string{"kv", "set", third, "prices", "other", "--data", "stays"}, exitDone, ""},
		{[]string{"kv", "import", third, backup}, exitDone, "10 keys are set"},
		{[]string{"kv", "get", third, "prices", "other"}, exitDone, "stays"},
		{[]string{"kv", "delete", third, "prices", "other"}, exitDone, ""},
	})
	if again := runArgs("kv", "export", third).stdout; again != export {
		t.Errorf("in a host the export is\n%s\nwant\n%s", again, export)
	}
}

// TestImportRefuses: an export with a wrong line changes nothing.
func TestImportRefuses(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv(hostVariable, "")
	file := writeFile(t, "airhost.yaml", withStore)
	const good = `{"bucket":"prices","key":"k","value":"dg=="}` + "\n"
	for wrong, want := range map[string]string{
		"{}": "it has no value", "x": "want {", `{"bucket":"prices","key":"k","value":null}`: "it has no value", `{"bucket":"prices","key":"","value":""}`: "the key is empty",
		`{"bucket":"Prices","key":"k","value":""}`: `the bucket "Prices" is neither`, `{"bucket":"prices","key":"k","value":"?"}`: "want {", `{"bucket":"prices","kez":"k","value":""}`: "kez", "": "want {",
	} {
		runCases(t, []commandCase{{[]string{"kv", "import", file, writeFile(t, "wrong.jsonl", good+wrong+"\n")}, exitUsage, "line 2 of the export: "}, {[]string{"kv", "import", file, writeFile(t, "wrong.jsonl", good+wrong+"\n")}, exitUsage, want}})
	}
	runCases(t, []commandCase{
		{[]string{"kv", "import", file, "none.jsonl"}, exitUsage, "none.jsonl"},
		{[]string{"kv", "list", file}, exitFailed, "state.db yet"},
	})
}
