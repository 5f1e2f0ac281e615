package config

// Files are those that DecodeWith includes.
type Files interface {
	Glob(pattern string) ([]string, error)
	Read(path string) ([]byte, error)
}

type adapter struct{ Files }

func (a adapter) glob(pattern string) ([]string, error) { return a.Glob(pattern) }
func (a adapter) read(path string) ([]byte, error)      { return a.Read(path) }

// DecodeWith is Decode, but reads the files that include names.
func DecodeWith(name string, text []byte, built Built, from Files) (*File, error) {
	d := &decoder{built: built}
	f := d.all(name, text, adapter{from})
	return f, d.mistakes.Sorted()
}

// Placement returns the mistakes about places, which Load finds.
func (f *File) Placement() Mistakes { return f.placement() }
