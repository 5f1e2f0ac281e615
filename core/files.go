package core

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Files are the directories of the host that a component was granted. The rules of [Services] hold
// for OpenDirectory and for files: calls come while a call of the instance is in progress, on
// its goroutine. Close may come at any time when no other call is in progress.
type Files interface {
	// Directories returns the directories, in the order of the grants. They stay the same until
	// the instance ends, and it may be called at any time. Callers must not change them.
	Directories() []FileDirectory
	// OpenDirectory opens the directory with this index. An error is a [FileError]. Whoever
	// has opened a file closes it.
	OpenDirectory(i int) (File, error)
}

// FileDirectory is a directory that a component was granted.
type FileDirectory struct {
	As    string // its path for the guest: absolute and clean
	Write bool   // the guest may change it
	// Path is its path on the host, for engines whose guests are trusted.
	Path string
}

// MaxFileGrants is how many directories a component may be granted.
const MaxFileGrants = 16

// maxGuestPath is the longest path of a directory for a guest, in bytes.
const maxGuestPath = 255

// CheckGuestPath checks the path that a directory has for a guest: absolute, with parts of ASCII letters,
// digits, '-', '_' and '.', which are neither . nor .., and 255 bytes at most. An error wraps
// [ErrOutOfRange].
func CheckGuestPath(path string) error {
	if len(path) > maxGuestPath {
		return fmt.Errorf("the guest's path has %d bytes, %w: want %d at most", len(path), ErrOutOfRange, maxGuestPath)
	}
	parts := strings.Split(path, "/")
	good := len(parts) > 1 && parts[0] == ""
	for _, part := range parts[1:] {
		good = good && part != "" && part != "." && part != ".." && !strings.ContainsFunc(part, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
		})
	}
	if !good {
		return fmt.Errorf("the guest's path %q is none, %w: want one such as /data, of letters, digits, '-', '_' and '.'", clip(path), ErrOutOfRange)
	}
	return nil
}

// GuestPathsOverlap reports whether two paths for a guest are the same, or one is within the other.
func GuestPathsOverlap(a, b string) bool {
	return strings.HasPrefix(a+"/", b+"/") || strings.HasPrefix(b+"/", a+"/")
}

// File is an open file or directory. It serves the instance until Close. Each of its calls may
// be refused, since a capability may have gone meanwhile.
type File interface {
	// Do does the call, and writes its results into it. An error is a [FileError], and
	// nothing has changed then, but for a write of which the disk has taken a part. While Do
	// blocks, the guest's running time does not pass.
	Do(call *FileCall) error
	// Close closes the file. A second Close returns nil.
	Close() error
}

// FileCallKind is a kind of call of a file.
type FileCallKind uint8

// The kinds of calls. Those up to FileList are of the file itself, the others of the entry with the Path
// in the directory; FileStat and FileSetTimes are of both.
const (
	FileRead          FileCallKind = iota // from Offset into Data; N is how many bytes, fewer only at the end
	FileWrite                             // Data at Offset, or at the end if that is AtEnd; N is how many bytes
	FileSetSize                           // to Size
	FileAllocate                          // to Size, if it is smaller
	FileSync                              // what was written is on the disk
	FileList                              // Entries, from the place Offset on; none at the end
	FileStatus                            // Stat, of the file itself or of Path
	FileSetTimes                          // to Accessed and Modified, of the file itself or of Path
	FileOpen                              // Path, as Mode says; the new file is Opened
	FileReadLink                          // the symbolic link Path; Text is where it points
	FileMakeDirectory                     // Path
	FileRemove                            // Path, which is no directory
	FileRemoveFolder                      // Path, an empty directory
	FileRename                            // Path to ToPath in the directory To
	FileLink                              // Path by the name ToPath, too, in the directory To
	FileSymlink                           // Path, which points to Text
)

// AtEnd is the Offset of a write at the end of a file.
const AtEnd int64 = -1

// FileCall is a call of a file: its arguments and its results.
type FileCall struct {
	Kind   FileCallKind
	Path   string // relative to the directory; empty for the file itself
	Follow bool   // a symbolic link at the end of Path stands for where it points
	Mode   FileMode
	To     File // a file of the same Files
	ToPath string
	Text   string
	Data   []byte // valid during the call
	Offset int64
	Size   int64
	// Accessed and Modified are times to set. The zero time leaves one as it is.
	Accessed, Modified time.Time

	// MaxBytes and MaxFiles bound the whole directory after the call. The host
	// sets them.
	MaxBytes, MaxFiles int64

	N       int
	Stat    FileStat
	Entries []FileEntry // valid until the next call of the file
	Opened  File
}

// Changes reports whether the call changes a file or a directory, or opens one for that.
func (c *FileCall) Changes() bool {
	switch c.Kind {
	case FileRead, FileSync, FileList, FileStatus, FileReadLink:
		return false
	case FileOpen:
		return c.Mode.Write || c.Mode.Create || c.Mode.Truncate
	}
	return true
}

// FileMode says how a file is opened.
type FileMode struct {
	Read, Write bool
	Create      bool // it is made if there is none
	Exclusive   bool // with Create: it is an error if there is one
	Truncate    bool // it is made empty
	Directory   bool // it is an error if it is no directory
}

// FileType is a type of file, a case of descriptor-type of wasi:filesystem with the same number.
type FileType uint8

// The types of files. All that are not named have the first one.
const (
	FileTypeUnknown   FileType = 0
	FileTypeBlock     FileType = 1
	FileTypeCharacter FileType = 2
	FileTypeDirectory FileType = 3
	FileTypeFIFO      FileType = 4
	FileTypeSymlink   FileType = 5
	FileTypeRegular   FileType = 6
	FileTypeSocket    FileType = 7
)

// FileStat has the known facts about a file.
type FileStat struct {
	Type   FileType
	Links  uint64
	Size   int64
	Device uint64 // with Inode it is the same for the same file alone
	Inode  uint64
	// A time that is not known is the zero time.
	Accessed, Modified, Changed time.Time
}

// FileEntry is an entry of a directory.
type FileEntry struct {
	Name string // UTF-8: entries with other names are left out
	Type FileType
}

// FilesOf returns the directories of an environment, which may be none.
func FilesOf(env *Environment) Files {
	if env.Files == nil {
		return noFiles{}
	}
	return env.Files
}

type noFiles struct{}

func (noFiles) Directories() []FileDirectory { return nil }

func (noFiles) OpenDirectory(int) (File, error) {
	return nil, &FileError{Code: FileBadDescriptor, Text: "there are no directories"}
}

// FileError says why a call of a file has failed.
type FileError struct {
	Code FileErrorCode
	Text string // at most [MaxErrorText] bytes of UTF-8, for the audit; guests get the code alone
}

// Error returns the code's name and the text.
func (e *FileError) Error() string { return join(e.Code.String(), e.Text) }

// Is reports whether target is a FileError with the same code and, if target has a text, the
// same text.
func (e *FileError) Is(target error) bool {
	t, ok := target.(*FileError)
	return ok && t.Code == e.Code && (t.Text == "" || t.Text == e.Text)
}

// AsFileError returns the error that a guest gets for err, which is not nil: the FileError that
// err is or wraps, or otherwise io with err's text.
func AsFileError(err error) *FileError {
	var e *FileError
	if errors.As(err, &e) {
		return e
	}
	return &FileError{Code: FileIO, Text: CutText(err.Error(), MaxErrorText)}
}

// FileErrorCode is a case of the error-code of wasi:filesystem, with the same number.
type FileErrorCode uint8

// The cases of the error-code.
const (
	FileAccess FileErrorCode = iota // the capability is gone, or the system denies it
	FileWouldBlock
	FileAlready
	FileBadDescriptor
	FileBusy
	FileDeadlock
	FileQuota // of the component
	FileExist
	FileTooLarge
	FileIllegalByteSequence
	FileInProgress
	FileInterrupted
	FileInvalid
	FileIO
	FileIsDirectory
	FileLoop
	FileTooManyLinks
	FileMessageSize
	FileNameTooLong
	FileNoDevice
	FileNoEntry
	FileNoLock
	FileInsufficientMemory
	FileInsufficientSpace
	FileNotDirectory
	FileNotEmpty
	FileNotRecoverable
	FileUnsupported
	FileNoTTY
	FileNoSuchDevice
	FileOverflow
	FileNotPermitted // a path leaves the directory, or a rule of the host forbids it
	FilePipe
	FileReadOnly
	FileInvalidSeek
	FileTextFileBusy
	FileCrossDevice
	numFileErrorCodes
)

var fileErrorNames = [numFileErrorCodes]string{
	"access", "would-block", "already", "bad-descriptor", "busy", "deadlock", "quota", "exist", "file-too-large",
	"illegal-byte-sequence", "in-progress", "interrupted", "invalid", "io", "is-directory", "loop", "too-many-links",
	"message-size", "name-too-long", "no-device", "no-entry", "no-lock", "insufficient-memory", "insufficient-space",
	"not-directory", "not-empty", "not-recoverable", "unsupported", "no-tty", "no-such-device", "overflow",
	"not-permitted", "pipe", "read-only", "invalid-seek", "text-file-busy", "cross-device",
}

// Valid reports whether c is a case of the error-code.
func (c FileErrorCode) Valid() bool { return c < numFileErrorCodes }

// String returns the case's name in wasi:filesystem.
func (c FileErrorCode) String() string {
	if !c.Valid() {
		return fmt.Sprintf("error-code(%d)", uint8(c))
	}
	return fileErrorNames[c]
}

// FileRefusal is a class of errors of files, by which hosts count them.
type FileRefusal uint8

// The classes.
const (
	FilesDenied FileRefusal = iota // access, not-permitted and read-only
	FilesFull                      // quota
	FilesFailed                    // all others, such as no-entry
	numFileRefusals
)

var fileRefusalNames = [numFileRefusals]string{"denied", "quota", "failed"}

// FileRefusals returns all classes, in their order.
func FileRefusals() []FileRefusal { return []FileRefusal{FilesDenied, FilesFull, FilesFailed} }

// String returns the class's name.
func (r FileRefusal) String() string {
	if r >= numFileRefusals {
		return fmt.Sprintf("refusal(%d)", uint8(r))
	}
	return fileRefusalNames[r]
}

// Refusal returns the class of a code.
func (c FileErrorCode) Refusal() FileRefusal {
	switch c {
	case FileAccess, FileNotPermitted, FileReadOnly:
		return FilesDenied
	case FileQuota:
		return FilesFull
	}
	return FilesFailed
}
