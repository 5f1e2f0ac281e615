// Package notes writes a page for each message into a directory of the host, by a template from another
// directory, which it can only read. A message is "NAME TEXT"; the response is the page.
package notes

import (
	"strings"

	"github.com/airhost/airhost/guest"
)

// New makes the component.
func New() guest.Component { return notes{} }

type notes struct{}

// HandleMessage writes a page. A name such as ../x is refused: no path leads out of a directory.
func (notes) HandleMessage(host guest.Host, _ string, message []byte) ([]byte, error) {
	name, text, ok := strings.Cut(string(message), " ")
	if !ok {
		return nil, guest.InvalidMessage("want NAME TEXT")
	}
	template, err := read(host, "/templates", "page.txt")
	if err != nil {
		return nil, err
	}
	pages, err := guest.OpenRoot(host, "/pages")
	if err != nil {
		return nil, err
	}
	defer pages.Close()
	page := strings.NewReplacer("NAME", name, "TEXT", text).Replace(template)
	return []byte(page), pages.WriteFile(name+".txt", []byte(page), 0o644)
}

// read returns a file of a directory.
func read(host guest.Host, directory, name string) (string, error) {
	root, err := guest.OpenRoot(host, directory)
	if err != nil {
		return "", err
	}
	defer root.Close()
	b, err := root.ReadFile(name)
	return string(b), err
}
