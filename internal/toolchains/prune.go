package toolchains

import (
	"os"
	"path/filepath"
	"sync"
	"time"
)

// keptFor is how long a component stays in the cache after its last use, and the code of an
// engine after it was compiled.
const keptFor = 14 * 24 * time.Hour

var pruned sync.Once

// prune removes the files of a folder and of the folders in it that are older.
// Those that it can't remove stay.
func prune(dir string, older time.Time) {
	for _, pattern := range []string{"*", "*/*"} {
		paths, _ := filepath.Glob(filepath.Join(dir, pattern))
		for _, path := range paths {
			if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() && info.ModTime().Before(older) {
				_ = os.Remove(path)
			}
		}
	}
}
