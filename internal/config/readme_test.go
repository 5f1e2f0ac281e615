package config_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/airhost/airhost/internal/config"
)

// TestDocumentedConfigurations: the configurations in README, which stand there whole, have no
// mistakes.
func TestDocumentedConfigurations(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(readme), -1) {
		if !strings.Contains(block[1], "components:") {
			continue
		}
		found++
		if _, err := config.Decode("README.md", []byte(block[1]), built); err != nil {
			t.Errorf("%s\n%v", block[1], err)
		}
	}
	if found == 0 {
		t.Error("README has no configuration")
	}
}
