package httpout_test

import (
	"fmt"
	"net/netip"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/brokers/inproc"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/reach/httpout"
	"github.com/airhost/airhost/trackers/slab"
)

// A host whose components may send requests, also to names with addresses of a private range.
func Example() {
	broker, _ := inproc.New(inproc.Config{})
	tracker, _ := slab.New(slab.Config{})
	engine, _ := native.New(native.Config{})
	client, err := httpout.New(httpout.Config{Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	_, err = host.New(host.Config{HTTP: client}, broker, tracker, engine)
	fmt.Println(err)
	// Output: <nil>
}
