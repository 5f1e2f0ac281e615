package prometheus

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

// rows returns a row of docs/metrics.md for each metric.
func rows() string {
	var rows strings.Builder
	for _, m := range allMetrics() {
		labels := ""
		if len(m.labels) > 0 {
			labels = "`" + strings.Join(m.labels, "`, `") + "`"
		}
		fmt.Fprintf(&rows, "| `%s` | %s | %s | %s |\n", m.name, m.kind, labels, m.help)
	}
	return rows.String()
}

// TestDocs: docs/metrics.md has a row for each metric, in order, and no other.
func TestDocs(t *testing.T) {
	doc, err := os.ReadFile("../../docs/metrics.md")
	check(t, err)
	got := strings.Join(regexp.MustCompile("(?m)^\\| `airhost_.*\n").FindAllString(string(doc), -1), "")
	if want := rows(); got != want {
		t.Errorf("docs/metrics.md has these rows:\n%s\nwant:\n%s", got, want)
	}
}
