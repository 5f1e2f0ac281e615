package enginetest

import "github.com/airhost/airhost/core"

// memoryFile is a directory with files, or one of these.
type memoryFile struct {
	files  map[string]string // nil for a file
	text   string
	opened *int // how many are open
}

// Do implements [core.File].
func (f *memoryFile) Do(call *core.FileCall) error {
	switch call.Kind {
	case core.FileStatus:
		call.Stat = core.FileStat{Type: core.FileTypeRegular, Size: int64(len(f.text))}
		if f.files != nil {
			call.Stat.Type = core.FileTypeDirectory
		}
	case core.FileRead:
		call.N = copy(call.Data, f.text[min(call.Offset, int64(len(f.text))):])
	case core.FileOpen:
		text, found := f.files[call.Path]
		if !found {
			return &core.FileError{Code: core.FileNoEntry}
		}
		*f.opened++
		call.Opened = &memoryFile{text: text, opened: f.opened}
	default:
		return &core.FileError{Code: core.FileUnsupported}
	}
	return nil
}

// Close implements [core.File].
func (f *memoryFile) Close() error {
	*f.opened--
	return nil
}

func testFiles(t *trial) {
	const noEntry = "\x2c\x00\x00\x00"
	in, host := t.wasm("hostile", core.Limits{})
	opened := 1
	host.Directory = &memoryFile{files: map[string]string{"greeting": "hello"}, opened: &opened}
	want(t, "the file", t.ask(in, "Wfgreeting"), []byte("hello"))
	want(t, "the error for no file", t.ask(in, "Wfnothing"), []byte(noEntry))
	t.asked("services", host, "open 0")
	want(t, "how many are open, with the directory", opened, 2)
	t.must("close the instance", in.Close())
	want(t, "how many are open at the end", opened, 0)
}
