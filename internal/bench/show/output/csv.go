package output

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/airhost/airhost/internal/bench/data/result"
)

var csvHeader = []string{
	"engine", "broker", "tracker", "pattern", "payload_bytes", "mode", "components", "pairs", "cores", "load_percent", "part", "peer",
	"status", "reason", "unit", "samples", "ops_per_sample", "median", "ci95_low", "ci95_high",
	"mean", "stddev", "mad", "q1", "q3", "outliers", "floor", "floor_multiple",
	"target", "within_target", "target_multiple", "within_target_multiple", "percentiles", "rate_per_second", "late_sends",
	"allocs_per_op", "bytes_per_op", "warnings",
}

// CSV prints one line for each cell, left-out ones included, below a header of the
// result file's field names. samples is their number. percentiles, as percent=value,
// and warnings are joined by semicolons. A field that the cell does not have is
// empty.
func CSV(w io.Writer, file *result.File) error {
	writer := csv.NewWriter(w)
	lines := [][]string{csvHeader}
	for _, cell := range file.Cells {
		lines = append(lines, csvLine(cell))
	}
	if err := writer.WriteAll(lines); err != nil {
		return fmt.Errorf("writing CSV: %w", err)
	}
	return nil
}

func csvLine(cell result.Cell) []string {
	line := []string{
		cell.Engine, cell.Broker, cell.Tracker, string(cell.Pattern), strconv.Itoa(cell.PayloadBytes),
		string(cell.Mode), count(cell.Components), count(cell.Pairs), count(cell.Cores), count(cell.LoadPercent), cell.Part, yes(cell.Peer),
		string(cell.Status), cell.Reason,
	}
	f := cell.Figures
	if f == nil {
		return append(line, make([]string, len(csvHeader)-len(line))...)
	}
	return append(line,
		f.Unit, strconv.Itoa(len(f.Samples)), strconv.Itoa(f.OpsPerSample), number(f.Median), number(f.CI95Low), number(f.CI95High),
		number(f.Mean), number(f.Stddev), number(f.MAD), number(f.Q1), number(f.Q3), strconv.Itoa(f.Outliers),
		optional(f.Floor), optional(f.FloorMultiple), optional(f.Target), string(f.WithinTarget), optional(f.TargetMultiple), string(f.WithinMultiple),
		percentiles(f.Percentiles), rate(f), late(f),
		number(f.AllocsPerOp), number(f.BytesPerOp), strings.Join(f.Warnings, "; "))
}

func count(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func number(x float64) string { return strconv.FormatFloat(x, 'g', 8, 64) }

func optional(x *float64) string {
	if x == nil {
		return ""
	}
	return number(*x)
}

func yes(b bool) string {
	if b {
		return "true"
	}
	return ""
}

func percentiles(all []result.Percentile) string {
	var texts []string
	for _, p := range all {
		texts = append(texts, number(p.Percent)+"="+number(p.Value))
	}
	return strings.Join(texts, "; ")
}

// rate and late are of load cells.
func rate(f *result.Figures) string {
	if f.Percentiles == nil {
		return ""
	}
	return number(f.RatePerSecond)
}

func late(f *result.Figures) string {
	if f.Percentiles == nil {
		return ""
	}
	return strconv.FormatInt(f.LateSends, 10)
}
