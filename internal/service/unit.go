package service

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/backends/process"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/internal/config"
)

// unit is one component as a file says it.
type unit struct {
	file       *config.File
	index      int // in the file's components
	deployment host.Deployment
	digest     [sha256.Size]byte // of the source
	failure    error             // why it could not be deployed; nil if it runs
	prepared   *host.Prepared    // until it is used or closed
	standby    *host.Prepared    // likewise: of a component with place: any, in case that it comes here
}

func (u *unit) component() *config.Component { return &u.file.Components[u.index] }

// digests are those of files, by path: each file is read once.
type digests struct{ known sync.Map }

// of returns the SHA-256 of a file.
func (d *digests) of(path string) ([sha256.Size]byte, error) {
	once, _ := d.known.LoadOrStore(path, sync.OnceValues(func() ([sha256.Size]byte, error) { return digest(path) }))
	return once.(func() ([sha256.Size]byte, error))()
}

func digest(path string) (sum [sha256.Size]byte, err error) {
	file, err := os.Open(path)
	if err != nil {
		return sum, err
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return sum, err
	}
	return [sha256.Size]byte(hash.Sum(nil)), nil
}

// unit returns component i of a file. A mistake in its source is its failure.
func (d *digests) unit(file *config.File, i int) *unit {
	c := &file.Components[i]
	u := &unit{file: file, index: i, deployment: deployment(*c)}
	u.deployment.Source = Source(file, i)
	if c.Engine == native.Name {
		return u
	}
	var err error
	if u.digest, err = d.of(c.Source); err != nil {
		u.failure = config.Mistakes{file.Mistake(sourcePath(i), err.Error())}
	}
	if c.Engine != process.Name && c.SHA256 == nil {
		u.deployment.Source.SHA256 = u.digest[:] // the code that was compared is the code that runs
	}
	return u
}

// units returns the components of a file.
func units(file *config.File) []*unit {
	all, known := make([]*unit, len(file.Components)), new(digests)
	AtOnce(len(all), func(i int) { all[i] = known.unit(file, i) })
	return all
}

func sourcePath(i int) string { return fmt.Sprintf("components[%d].source", i) }

// changeTo is the least change that makes next of u.
func (u *unit) changeTo(next *unit) host.Change {
	if u.digest != next.digest {
		return host.NeedsReplacement
	}
	return u.deployment.ChangeTo(next.deployment)
}

// ModuleMistakes returns the mistakes in the source of component i that err reports, or
// those in the configuration of its process. It returns nothing for other errors.
func ModuleMistakes(file *config.File, i int, err error) config.Mistakes {
	var module *core.ModuleError
	var mistakes config.Mistakes
	if errors.As(err, &mistakes) {
		return mistakes
	}
	if errors.As(err, &module) {
		for _, problem := range module.Problems {
			mistakes = append(mistakes, file.Mistake(sourcePath(i), file.Components[i].Source+": "+problem))
		}
	}
	return mistakes
}

// fail notes why u could not be deployed: mistakes in its file, or err as it is.
func (u *unit) fail(err error) {
	u.failure = err
	if of := ModuleMistakes(u.file, u.index, err); len(of) > 0 {
		u.failure = of
	}
}
