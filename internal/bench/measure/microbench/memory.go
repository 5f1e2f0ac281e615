package microbench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/measure/guests"
)

// memory measures the rise of the process's resident memory for each live guest that
// has answered a message.
func (p *part) memory(ctx context.Context, key cells.Key, parts Parts) error {
	if _, err := resident(); err != nil {
		return &cells.LeftOutError{Reason: "this system does not say how much memory a process takes up"}
	}
	component, err := p.openComponent(ctx, key, parts)
	if err != nil {
		return err
	}
	answered, last := 0, 0.0
	var grown int64
	p.chunk = maxInstances
	p.do = func(ctx context.Context, n int) (time.Duration, error) {
		before, err := settled()
		if err != nil {
			return 0, err
		}
		start := time.Now()
		instances, err := manyGuests(ctx, component, key, n)
		elapsed := time.Since(start)
		after, settleErr := settled()
		answered += len(instances)
		grown += after - before
		for _, instance := range instances {
			err = closing(err, instance)
		}
		return elapsed, errors.Join(err, settleErr)
	}
	err = p.verifyBy(1, func() (int, error) { return answered, nil })
	counted := p.verify
	p.verify = func(n int) error {
		last, grown = float64(grown)/float64(n), 0
		return counted(n)
	}
	p.value = func() float64 { return last }
	return err
}

// maxInstances is the most guests that live at the same time: with WebAssembly they
// take up some 100 MB.
const maxInstances = 1000

// manyGuests makes n guests, each of which has answered a message.
func manyGuests(ctx context.Context, component core.Component, key cells.Key, n int) ([]core.Instance, error) {
	message := guests.NewMessage(guests.OpEcho, 0, key.PayloadBytes)
	host := new(taker)
	var instances []core.Instance
	for range n {
		if err := ctx.Err(); err != nil {
			return instances, err
		}
		instance, err := newInstance(ctx, component, key, askerID, answererID, host)
		if err != nil {
			return instances, err
		}
		instances = append(instances, instance)
		var response []byte
		if err := instance.HandleMessage(answererID, message, &response); err != nil {
			return instances, err
		}
		if !bytes.Equal(response, message) {
			return instances, errWrongResponse
		}
	}
	return instances, nil
}

func closing(err error, instance core.Instance) error { return errors.Join(err, instance.Close()) }

// settled is [resident] without the memory that Go's heap holds and does not use.
func settled() (int64, error) {
	debug.FreeOSMemory()
	return resident()
}

// resident returns this process's resident memory in bytes: the line Rss of
// proc/self/smaps_rollup, which counts exactly.
func resident() (int64, error) {
	text, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		return 0, err
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) == 3 && fields[0] == "Rss:" {
			kilobytes, err := strconv.ParseInt(fields[1], 10, 64)
			return kilobytes << 10, err
		}
	}
	return 0, fmt.Errorf("proc/self/smaps_rollup has no line Rss")
}
