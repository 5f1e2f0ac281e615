package output

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/data/result"
	"golang.org/x/perf/benchfmt"
)

// BenchmarkText prints each sample of each measured cell as one line of Go's
// benchmark format (golang.org/design/14313-benchmark-format), which benchstat
// reads. Allocations are a cell's, so that its lines share them.
func BenchmarkText(w io.Writer, file *result.File) error {
	writer := benchfmt.NewWriter(w)
	config := benchmarkConfig(file.Environment)
	for _, cell := range file.Cells {
		if cell.Status != result.Measured {
			continue
		}
		name := benchmarkName(cell.Key, file.Environment.GOMAXPROCS)
		for _, sample := range cell.Samples {
			line := &benchfmt.Result{
				Config: config,
				Name:   name,
				Iters:  cell.OpsPerSample,
				Values: []benchfmt.Value{
					{Value: sample, Unit: benchmarkUnit(cell)},
					{Value: cell.BytesPerOp, Unit: "B/op"},
					{Value: cell.AllocsPerOp, Unit: "allocs/op"},
				},
			}
			if err := writer.Write(line); err != nil {
				return fmt.Errorf("writing benchmark text: %w", err)
			}
		}
	}
	return nil
}

// benchmarkUnit is the unit of a cell's samples. Samples of a mode with tails are
// 99.9th percentiles.
func benchmarkUnit(c result.Cell) string {
	if cells.MustFind(c.Mode).Tails {
		return "p99.9-" + c.Unit
	}
	return c.Unit
}

func benchmarkConfig(env result.Environment) []benchfmt.Config {
	var config []benchfmt.Config
	for _, pair := range [][2]string{
		{"goos", env.OS}, {"goarch", env.Arch}, {"cpu", env.CPU}, {"go", env.Go},
		{"kernel", env.Kernel}, {"governor", env.Governor}, {"commit", env.Commit},
	} {
		config = append(config, benchfmt.Config{Key: pair[0], Value: []byte(pair[1]), File: true})
	}
	return config
}

// oneWord replaces the characters that would end a benchmark's name, or a part of it.
var oneWord = strings.NewReplacer(" ", "_", "\t", "_", "\n", "_", "/", "_")

func benchmarkName(key cells.Key, procs int) benchfmt.Name {
	var name strings.Builder
	for word := range strings.SplitSeq(string(key.Pattern), "-") {
		name.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	for _, part := range [][2]string{
		{"engine", key.Engine}, {"broker", key.Broker}, {"tracker", key.Tracker}, {"payload", strconv.Itoa(key.PayloadBytes)},
		{"mode", string(key.Mode)}, {"components", count(key.Components)}, {"pairs", count(key.Pairs)}, {"cores", count(key.Cores)},
		{"load", count(key.LoadPercent)}, {"part", key.Part},
	} {
		if part[1] != "" {
			fmt.Fprintf(&name, "/%s=%s", part[0], oneWord.Replace(part[1]))
		}
	}
	if procs > 1 {
		fmt.Fprintf(&name, "-%d", procs)
	}
	return benchfmt.Name(name.String())
}
