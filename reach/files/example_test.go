package files_test

import (
	"fmt"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/brokers/inproc"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/reach/files"
	"github.com/airhost/airhost/trackers/slab"
)

// A host whose components may have directories, and the grant of one that a component may change.
func Example() {
	broker, _ := inproc.New(inproc.Config{})
	tracker, _ := slab.New(slab.Config{})
	engine, _ := native.New(native.Config{})
	h, err := host.New(host.Config{Files: files.New()}, broker, tracker, engine) // reach/files
	d := host.Deployment{Capabilities: host.Capabilities{Files: []host.FileGrant{{Path: "pages", As: "/pages", Write: true}}}}
	fmt.Println(h != nil, d.Capabilities.Files[0].As)
	fmt.Println(err)
	// Output:
	// true /pages
	// <nil>
}
