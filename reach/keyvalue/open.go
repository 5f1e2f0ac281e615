package keyvalue

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// ErrInUse is wrapped by the error of [OpenFile] for a file that another host has open.
var ErrInUse = errors.New("it is in use by another host")

const (
	// lockTime is how long OpenFile waits for another host to end.
	lockTime = time.Second
	// compactFrom is the least size in bytes of a file that is made smaller.
	compactFrom = 4 << 20
	// mapped is how much of a file is mapped at first, in bytes. Up to this size readers do
	// not hold up a file that grows.
	mapped = 1 << 30
	// copyAtOnce is how many bytes one transaction of a compaction copies.
	copyAtOnce = 1 << 20
)

// OpenFile opens the store in a file, and locks it. A file of which more than half is free is
// made smaller. The error for a file that is locked wraps [ErrInUse].
func OpenFile(c FileConfig) (Store, error) {
	f := &file{
		config: c, log: c.Logger, wake: make(chan struct{}, 1), hurry: make(chan struct{}, 1), closing: make(chan struct{}), ended: make(chan struct{}),
		buckets: make(map[string]*fileBucket), versions: newVersions(), waiting: newFlush(),
	}
	if f.log == nil {
		f.log = slog.Default()
	}
	if err := f.open(); err != nil {
		return nil, fmt.Errorf("key-value store %s: %w", c.Path, err)
	}
	f.update = f.db.Update
	go f.write()
	return f, nil
}

func (f *file) open() (err error) {
	_, err = os.Stat(f.config.Path)
	made := errors.Is(err, fs.ErrNotExist)
	if f.db, err = openAlone(f.config.Path); err != nil {
		return err
	}
	if free := f.free(); free > 0 {
		if err := f.compact(free); err != nil {
			return errors.Join(err, f.db.Close())
		}
	}
	if err = f.prepare(); err == nil && made {
		err = syncFolder(f.config.Path)
	}
	if err != nil {
		return errors.Join(err, f.db.Close())
	}
	return nil
}

// openAlone opens and locks a file. It does not return one that was replaced meanwhile.
func openAlone(path string) (*bbolt.DB, error) {
	for {
		var opened *os.File
		options := *bbolt.DefaultOptions
		options.Timeout, options.FreelistType, options.InitialMmapSize = lockTime, bbolt.FreelistMapType, mapped
		options.OpenFile = func(name string, flag int, mode os.FileMode) (file *os.File, err error) {
			opened, err = os.OpenFile(name, flag, mode)
			return opened, err
		}
		db, err := bbolt.Open(path, 0o600, &options)
		switch {
		case errors.Is(err, bolterrors.ErrTimeout):
			return nil, fmt.Errorf("%w: stop that, or give each host a keyvalue.path of its own", ErrInUse)
		case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrVersionMismatch), errors.Is(err, bolterrors.ErrChecksum):
			return nil, fmt.Errorf("%w: it is no key-value store, or damaged: move it away, or restore it from an export", err)
		case err != nil:
			return nil, err
		}
		mine, err := opened.Stat()
		if err == nil {
			var now fs.FileInfo
			if now, err = os.Stat(path); err == nil && os.SameFile(mine, now) {
				return db, nil
			}
		}
		if closed := db.Close(); closed != nil || err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, errors.Join(err, closed)
		}
	}
}

// prepare makes the buckets at the top of the file, and reads the usage of all buckets.
func (f *file) prepare() error {
	if err := f.db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{bucketsOf, usageOf} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return err
	}
	return f.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(usageOf).ForEach(func(name, used []byte) error {
			f.buckets[string(name)] = &fileBucket{file: f, name: string(name), used: usageIn(used)}
			return nil
		})
	})
}

// free returns how many bytes of the file are free, if that is more than half of it.
func (f *file) free() int64 {
	tx, err := f.db.Begin(true)
	if err != nil {
		return 0
	}
	size := tx.Size()
	_ = tx.Rollback() // nothing was changed
	stats := f.db.Stats()
	free := int64(stats.FreePageN+stats.PendingPageN) * int64(f.db.Info().PageSize)
	if size < compactFrom || free <= size/2 {
		return 0
	}
	return free
}

// compact copies all keys to a new file, which takes its place. If there is no room for
// that, the file stays as it is.
func (f *file) compact(free int64) error {
	path := f.config.Path + ".compact"
	if err := f.copyTo(path); err != nil {
		f.log.Warn("a key-value store could not be made smaller", "file", f.config.Path, "free", free, "reason", err)
		_ = os.Remove(path)
		return nil
	}
	if err := os.Rename(path, f.config.Path); err != nil {
		return err
	}
	old := f.db
	if err := errors.Join(syncFolder(f.config.Path), old.Close()); err != nil {
		return err
	}
	db, err := openAlone(f.config.Path)
	if err != nil {
		return err
	}
	f.db = db
	f.log.Info("a key-value store was made smaller", "file", f.config.Path, "freed", free)
	return nil
}

// copyTo copies all that is in the file to another one.
func (f *file) copyTo(path string) (err error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err // of a host that was killed meanwhile
	}
	options := *bbolt.DefaultOptions
	options.NoSync, options.Timeout = true, lockTime
	to, err := bbolt.Open(path, 0o600, &options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	if err := bbolt.Compact(to, f.db, copyAtOnce); err != nil {
		return err
	}
	return to.Sync()
}

// syncFolder makes the name of a file as durable as the file.
func syncFolder(path string) error {
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// Close implements [Store].
func (f *file) Close() error {
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return nil
	}
	f.closed = true
	f.mu.Unlock()
	close(f.closing)
	<-f.ended
	return errors.Join(f.failure, f.db.Close())
}
