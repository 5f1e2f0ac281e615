package config_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/airhost/airhost/internal/config"
)

// TestOtherFilesAreNamed: the error about a file of another kind names the kind,
// regardless of the file's name, in one line and without bytes of the file.
func TestOtherFilesAreNamed(t *testing.T) {
	var zipped bytes.Buffer
	writer := gzip.NewWriter(&zipped)
	if err := errors.Join(func() error { _, err := writer.Write([]byte("components: []")); return err }(), writer.Close()); err != nil {
		t.Fatal(err)
	}
	tar := append(make([]byte, 257), "ustar\x0000"...)
	for text, want := range map[string]string{
		"\x00asm\x01\x00\x00\x00": "a WebAssembly module, not a configuration: write one that names it, such as components: [{id: a/b, source: \"x.yaml\"}]",
		"\x00asm\x0d\x00\x01\x00": "a WebAssembly component, not a configuration",
		"\x00airhost\x01\xff":     "a WebAssembly module with its code, not a configuration: write one that names it",
		"\n (module)":             "WebAssembly in text form, which wat2wasm assembles",
		"\x7fELF\x02\x01\x01":     "an executable",
		"#!/bin/sh\n":             "a script",
		zipped.String():           "a gzip archive",
		"PK\x03\x04\x14":          "a zip archive",
		"\x89PNG\r\n\x1a\n":       "an image",
		"\xff\xd8\xff\xe0":        "an image",
		"\xff\xfec\x00":           "text in UTF-16, where UTF-8 is needed",
		string(tar):               "a tar archive",
		"MZ\x90\x00":              "an executable",
	} {
		path := filepath.Join(t.TempDir(), "x.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := config.Load(path, built)
		var mistakes config.Mistakes
		if !errors.As(err, &mistakes) || len(mistakes) != 1 || !strings.HasPrefix(mistakes[0].Text, "this is "+want) {
			t.Errorf("%.20q: got %v\nwant this is %s", text, err, want)
		}
	}
}
