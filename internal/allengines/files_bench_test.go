//go:build unix

package allengines

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/airhost/airhost/core/host"
)

// BenchmarkFiles reads and writes 4 KiB of a file, by a guest and by an os.File.
func BenchmarkFiles(b *testing.B) {
	for _, engine := range wasmEngines() {
		f := newFilesHost(b, engine, host.FileQuota{}, host.FileGrant{Path: b.TempDir(), As: "/data", Write: true})
		f.ask(1, open(0, oRead|oWrite|oCreate, "x", 2), do('w', 2, 0, string(make([]byte, 4096))))
		for what, of := range map[string]string{"write": "w", "read": "r"} {
			b.Run(engine+"/"+what, func(b *testing.B) {
				b.SetBytes(4096)
				b.ReportAllocs()
				for n := b.N; n > 0; n -= most1M {
					ask := binary.LittleEndian.AppendUint32([]byte("#"+of), uint32(min(n, most1M)))
					_, err := f.Request(context.Background(), id("t/files"), ask)
					check(b, err)
				}
			})
		}
	}
	file, err := os.Create(filepath.Join(b.TempDir(), "x"))
	check(b, err)
	defer file.Close()
	data := make([]byte, 4096)
	b.Run("os.File/write", func(b *testing.B) {
		b.SetBytes(4096)
		for b.Loop() {
			_, err := file.WriteAt(data, 0)
			check(b, err)
		}
	})
	b.Run("os.File/read", func(b *testing.B) {
		b.SetBytes(4096)
		for b.Loop() {
			_, err := file.ReadAt(data, 0)
			check(b, err)
		}
	})
}
