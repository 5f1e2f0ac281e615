package guest

import "os"

// openRoot opens a directory by WASI.
func openRoot(path string) (*os.Root, error) { return os.OpenRoot(path) }
