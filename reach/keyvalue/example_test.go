package keyvalue_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/brokers/inproc"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/reach/keyvalue"
	"github.com/airhost/airhost/trackers/slab"
)

// A host whose components keep keys with values in a file, with one bucket that they share.
func Example() {
	broker, _ := inproc.New(inproc.Config{})
	tracker, _ := slab.New(slab.Config{})
	engine, _ := native.New(native.Config{})
	folder, _ := os.MkdirTemp("", "")
	defer os.RemoveAll(folder)
	store, err := keyvalue.OpenFile(keyvalue.FileConfig{Path: filepath.Join(folder, "state.db"), Sync: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close()
	buckets := map[string]host.BucketQuota{"prices": {}}
	_, err = host.New(host.Config{KeyValue: store, Buckets: buckets}, broker, tracker, engine)
	fmt.Println(err)
	// Output: <nil>
}
