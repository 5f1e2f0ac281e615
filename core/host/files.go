package host

import (
	"errors"
	"fmt"
	"math"
	"path"
	"slices"

	"github.com/airhost/airhost/core"
)

// FileGrant is a directory of the host that a component may use.
type FileGrant struct {
	Path  string // on the host
	As    string // for the guest: absolute and clean, such as /data
	Write bool   // it may change its contents; otherwise it may read
}

// FileQuota bounds the contents of a directory that a component may write to: all that is there counts,
// whoever has made it. A zero field stands for its default.
type FileQuota struct {
	Bytes int64 // sizes of all files; 64 MiB by default
	Files int64 // files, directories and links; 10,000 by default
}

// FileSystem opens directories for components. Package reach/files has one. Its methods, and those
// of its files, may be called from any goroutine.
type FileSystem interface {
	// Check returns an error if a directory cannot be granted: it does not exist, or is none.
	Check(grant FileGrant) error
	// Open opens the directory of a grant. It may block while it counts the contents. Calls
	// that change something have the component's quota in them.
	Open(grant FileGrant) (core.File, error)
}

// maxShownPath is how much is kept of the path of an open file, in bytes. A guest can open a directory in
// a directory in a directory, without end.
const maxShownPath = core.MaxErrorText

// MaxOpenFiles is how many files and directories an instance may have open, but for the ones
// that it was granted.
const MaxOpenFiles = 64

const (
	maxFileBytes = 1 << 40
	maxFiles     = 1_000_000
)

func (q *FileQuota) check() error {
	if err := core.CheckCount("quota.files_bytes", q.Bytes, 1, maxFileBytes); err != nil {
		return err
	}
	return core.CheckCount("quota.files", q.Files, 1, maxFiles)
}

func (q *FileQuota) setDefaults() {
	q.Bytes, q.Files = orDefault(q.Bytes, 64<<20), orDefault(q.Files, 10_000)
}

// checkGrants checks the directories of a deployment without looking at the disk.
func (d *Deployment) checkGrants() error {
	granted := d.Capabilities.Files
	if len(granted) > core.MaxFileGrants {
		return fmt.Errorf("capabilities.files has %d directories, %w: want %d at most", len(granted), core.ErrOutOfRange, core.MaxFileGrants)
	}
	for i, g := range granted {
		if g.Path == "" {
			return errors.New("capabilities.files: a directory has no path: name the one on the host")
		}
		if err := core.CheckGuestPath(g.As); err != nil {
			return fmt.Errorf("capabilities.files: %w", err)
		}
		for _, other := range granted[:i] {
			if core.GuestPathsOverlap(g.As, other.As) {
				return fmt.Errorf("capabilities.files: the guest's paths %s and %s overlap: choose others", other.As, g.As)
			}
		}
	}
	return nil
}

// checkFiles checks the directories that are granted, with the disk.
func (h *Host) checkFiles(d *Deployment) error {
	if len(d.Capabilities.Files) == 0 {
		return nil
	}
	if h.config.Files == nil {
		return fmt.Errorf("%w of %q: capabilities.files: the host has no Files to open them by", ErrInvalidDeployment, d.ID)
	}
	for _, g := range d.Capabilities.Files {
		if err := h.config.Files.Check(g); err != nil {
			return fmt.Errorf("%w of %q: capabilities.files: %w", ErrInvalidDeployment, d.ID, err)
		}
	}
	return nil
}

// addsFiles reports whether next has directories that given has not, or not for writing: an instance
// sees those that there were at its start.
func addsFiles(given, next []FileGrant) bool {
	return slices.ContainsFunc(next, func(n FileGrant) bool {
		return !slices.ContainsFunc(given, func(g FileGrant) bool { return g.Path == n.Path && g.As == n.As && (g.Write || !n.Write) })
	})
}

// files returns the directories for an instance of c, or nil if there are none.
func (c *component) files() core.Files {
	granted := c.deployment.Capabilities.Files
	if len(granted) == 0 {
		return nil
	}
	list := make([]core.FileDirectory, len(granted))
	for i, g := range granted {
		list[i] = core.FileDirectory{As: g.As, Write: g.Write, Path: g.Path}
	}
	return &instanceFiles{services: c.guest.services, granted: granted, list: list}
}

// instanceFiles are the directories of an instance.
type instanceFiles struct {
	services *services
	granted  []FileGrant // when the instance was started
	list     []core.FileDirectory
	open     int // files, but for the directories themselves
}

// Directories implements [core.Files].
func (s *instanceFiles) Directories() []core.FileDirectory { return s.list }

// OpenDirectory implements [core.Files].
func (s *instanceFiles) OpenDirectory(i int) (core.File, error) {
	f := &openFile{of: s, grant: s.granted[i]}
	c := f.enter()
	if f.refusal == nil {
		f.refusal = c.outside(func() (err error) { f.file, err = c.host.config.Files.Open(f.grant); return err })
	}
	if f.refusal != nil {
		return nil, c.filesFailed(f, &core.FileCall{}, f.refusal)
	}
	return f, nil
}

// openFile is a file or directory that an instance has opened.
type openFile struct {
	of    *instanceFiles
	grant FileGrant
	path  string    // below the grant's, for the audit; its begin if it is long
	file  core.File // nil once it is closed
	extra bool      // it is none of those that were granted

	// What the component may do with it, as of an epoch of the host's configuration.
	component *component
	epoch     uint64
	refusal   *core.FileError // why it may do nothing, or nil
	write     bool
	quota     FileQuota
}

var (
	errFileClosed  = &core.FileError{Code: core.FileBadDescriptor, Text: "the file is closed"}
	errFileOther   = &core.FileError{Code: core.FileBadDescriptor, Text: "the other directory is none of the component's"}
	errFileEnded   = &core.FileError{Code: core.FileInterrupted, Text: "the call was interrupted"}
	errFileNoWrite = &core.FileError{Code: core.FileReadOnly, Text: "the directory is granted with mode ro"}
	errOpenFiles   = &core.FileError{Code: core.FileQuota, Text: fmt.Sprintf("the instance has %d files open, and no more are allowed: close some", MaxOpenFiles)}
)

// enter begins a call of f by its component, and returns that.
func (f *openFile) enter() *component {
	c := f.of.services.component.Load()
	c.breakChain()
	if c.calling == nil {
		c.startCalling()
	}
	c.calling.counts.files.Add(1)
	f.permit(c)
	return c
}

// permit asks whether c may use f. A file whose capability has gone is closed.
func (f *openFile) permit(c *component) {
	epoch := c.host.epoch.Load()
	if f.component == c && f.epoch == epoch {
		return
	}
	f.component, f.epoch, f.write, f.quota = c, epoch, false, c.deployment.Quota.Files
	found := false
	for _, g := range c.deployment.Capabilities.Files {
		if g.Path == f.grant.Path && g.As == f.grant.As {
			found, f.write = true, g.Write
		}
	}
	if !found {
		f.refusal = &core.FileError{Code: core.FileAccess, Text: f.grant.As + " is not granted any more"}
		_ = f.Close() // nothing is lost
	}
}

// Do implements [core.File].
func (f *openFile) Do(call *core.FileCall) error {
	c := f.enter()
	if err := f.allows(c, call); err != nil {
		return c.filesFailed(f, call, err)
	}
	call.MaxBytes, call.MaxFiles = f.quota.Bytes, f.quota.Files
	if err := c.outside(func() error { return f.file.Do(call) }); err != nil {
		return c.filesFailed(f, call, err)
	}
	if call.Opened != nil {
		f.of.open++
		call.Opened = &openFile{
			of: f.of, grant: f.grant, path: core.CutText(path.Join(f.path, call.Path), maxShownPath), file: call.Opened, extra: true,
			component: f.component, epoch: f.epoch, write: f.write, quota: f.quota,
		}
	}
	return nil
}

// allows returns why a call may not be made, or nil. It puts the file system's file in the place of
// the call's other one.
func (f *openFile) allows(c *component, call *core.FileCall) *core.FileError {
	switch {
	case f.refusal != nil:
		return f.refusal
	case f.file == nil:
		return errFileClosed
	case call.Changes() && !f.write:
		return errFileNoWrite
	case call.Kind == core.FileOpen && f.of.open >= MaxOpenFiles:
		return errOpenFiles
	case call.To == nil:
		return nil
	}
	to, ours := call.To.(*openFile)
	if !ours || to.of != f.of {
		return errFileOther
	}
	switch to.permit(c); {
	case to.refusal != nil:
		return to.refusal
	case to.file == nil:
		return errFileClosed
	case !to.write:
		return errFileNoWrite
	}
	call.To = to.file
	return nil
}

// Close implements [core.File].
func (f *openFile) Close() error {
	file := f.file
	if file == nil {
		return nil
	}
	f.file = nil
	if f.extra {
		f.of.open--
	}
	return file.Close()
}

// filesFunction has the bounds of the calls of files, beside those that each call of a
// component's function has.
var filesFunction = &function{name: "files", timeout: math.MaxInt64}

// outside runs a call of a file, whose time is not the guest's, as that of a function. A disk
// cannot be interrupted: a call that has begun goes on to its end.
func (c *component) outside(do func() error) *core.FileError {
	if _, interrupted := c.beginFunction(filesFunction); interrupted {
		return errFileEnded
	}
	err := do()
	c.calling.ctx.finish()
	c.endFunction()
	if err != nil {
		return core.AsFileError(err)
	}
	return nil
}

// filesFailed counts and records an error of a file, and returns it.
func (c *component) filesFailed(f *openFile, call *core.FileCall, e *core.FileError) error {
	class := e.Code.Refusal()
	c.calling.counts.failedFiles[class].Add(1)
	if class != core.FilesFailed {
		c.host.audit.record(c.id, []byte(path.Join(f.grant.As, f.path)+shown(call)), "files", e)
	}
	return e
}

// shown returns the subject of a call, for the audit.
func shown(call *core.FileCall) string {
	if call.Path == "" {
		return ""
	}
	return "/" + call.Path
}

// failedFilesByClass returns how many calls of files had an error, by the names of the classes.
func (t *callCounts) failedFilesByClass() map[string]uint64 {
	all := make(map[string]uint64)
	for _, class := range core.FileRefusals() {
		if n := t.failedFiles[class]; n > 0 {
			all[class.String()] = n
		}
	}
	return all
}
