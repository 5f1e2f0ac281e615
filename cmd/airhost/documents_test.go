package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	// commandLine matches a command in a block, and commandSpan one within a sentence.
	commandLine = regexp.MustCompile(`(?m)^(?:\$ | {4})?(?:\w+=\S+ +)*(?:bin/)?airhost ([a-z].*)$`)
	commandSpan = regexp.MustCompile("`airhost ([a-z][^`]*)`")
	codeBlock   = regexp.MustCompile("(?ms)^```.*?^```$|^ {4}.*?$")
	endOfLine   = regexp.MustCompile(` +(\d?>|[|&;#]).*`)
)

// unknownCommands returns the mistakes in the commands that a document shows: those that airhost does not
// have, and flags that a command does not have.
func unknownCommands(text string) (mistakes []string) {
	blocks := strings.Join(codeBlock.FindAllString(text, -1), "\n")
	found := append(commandLine.FindAllStringSubmatch(blocks, -1), commandSpan.FindAllStringSubmatch(text, -1)...)
	for _, m := range found {
		if err := knows(strings.Fields(endOfLine.ReplaceAllString(m[1], ""))); err != nil {
			mistakes = append(mistakes, fmt.Sprintf("airhost %s: %v", m[1], err))
		}
	}
	return mistakes
}

// knows returns an error if airhost has no such command, or the command no such flag.
func knows(words []string) error {
	root := (&program{stdin: strings.NewReader(""), stdout: io.Discard, stderr: &logWriter{to: io.Discard}}).root()
	command, rest, err := root.Find(words)
	if err != nil {
		return err
	}
	if err := command.ParseFlags(rest); err != nil {
		return err
	}
	if args := command.Flags().Args(); command.HasSubCommands() && len(args) > 0 {
		return fmt.Errorf("%s has no command %s", command.CommandPath(), args[0])
	}
	return nil
}

// TestDocumentedCommands: airhost has the commands and the flags that the documents show.
func TestDocumentedCommands(t *testing.T) {
	const root = "../.."
	list := exec.Command("git", "ls-files", "-z", "--", "*.md", ":!CHANGELOG.md")
	list.Dir = root
	docs, err := list.Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	found := 0
	for doc := range strings.SplitSeq(strings.Trim(string(docs), "\x00"), "\x00") {
		text, err := os.ReadFile(filepath.Join(root, doc))
		if err != nil {
			t.Fatal(err)
		}
		found += len(commandSpan.FindAll(text, -1))
		for _, mistake := range unknownCommands(string(text)) {
			t.Errorf("%s: %s", doc, mistake)
		}
	}
	if found < 50 {
		t.Errorf("the documents name %d commands, want at least 50", found)
	}
}

// TestUnknownCommands: a command or a flag that is not there is found.
func TestUnknownCommands(t *testing.T) {
	for text, want := range map[string]string{
		"`airhost ps FILE --cluster`, `airhost kv`, `airhost check\n--online`":                                       "",
		"```console\n$ A=b airhost call f.yaml a/b --data x 2>&1 | tail -n 1\nairhost: request\n```\nairhost runs\n": "",
		"`airhost pss FILE`":                        "unknown command",
		"`airhost kv lists FILE`":                   "has no command lists",
		"`airhost check FILE --offline`":            "unknown flag: --offline",
		"text\n\n    bin/airhost check f --offline": "unknown flag: --offline",
		"```\n$ airhost check f -x >log &\n```\n":   "unknown shorthand flag",
	} {
		got := strings.Join(unknownCommands(text), "\n")
		if !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
