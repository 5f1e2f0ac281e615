// Package report turns result files into one HTML page that loads nothing else: the
// targets and whether they are met, and then all data behind the figures. The page
// can be read without its script, on a phone, in the dark, on paper, and by a screen
// reader.
package report

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"io"

	"github.com/airhost/airhost/internal/bench/data/machines"
)

// ErrNoRuns is the error of a report of nothing.
var ErrNoRuns = errors.New("no results to report")

//go:embed assets
var assets embed.FS

var templates = template.Must(template.ParseFS(assets, "assets/*.html"))

// HTML writes the page of one or more runs, which must be valid. Where several runs of
// one machine have the same cell, the last one's is shown, and compared with the
// others. Cells of several machines are shown beside each other. The same runs give the
// same bytes. No runs are [ErrNoRuns].
func HTML(w io.Writer, runs ...machines.Run) error {
	if len(runs) == 0 {
		return ErrNoRuns
	}
	view, err := newPages(runs).page()
	if err != nil {
		return fmt.Errorf("making the report: %w", err)
	}
	script := asset("assets/script.js")
	view.Style = template.CSS(asset("assets/style.css"))
	view.Script = template.JS(script)
	digest := sha256.Sum256([]byte(script))
	view.ScriptHash = base64.StdEncoding.EncodeToString(digest[:])
	var text bytes.Buffer
	if err := templates.ExecuteTemplate(&text, "page.html", view); err != nil {
		return fmt.Errorf("making the report: %w", err)
	}
	_, err = w.Write(text.Bytes())
	return err
}

func asset(name string) string {
	text, err := assets.ReadFile(name)
	if err != nil {
		panic(err) // it was there when the program was compiled
	}
	return string(text)
}
