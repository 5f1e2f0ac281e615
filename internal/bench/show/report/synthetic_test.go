package report_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/data/result"
	"github.com/airhost/airhost/internal/bench/data/stat"
)

// synthetic makes results without measuring: a cell of each kind that a report
// distinguishes, with figures of about the size of real ones. The message path is
// slower than usual by factor.
func synthetic(factor float64) *result.File {
	made.Lock()
	defer made.Unlock()
	if made.files == nil {
		made.files = make(map[float64]*result.File)
	}
	if made.files[factor] == nil {
		made.files[factor] = synthesize(factor)
	}
	file := *made.files[factor]
	file.Cells = slices.Clone(file.Cells)
	return &file
}

// made keeps results and pages for all tests. The cells' figures are shared.
var made struct {
	sync.Mutex
	files map[float64]*result.File

	bothOnce sync.Once
	both     string // the page of two()
}

func synthesize(factor float64) *result.File {
	s := &synthesis{rand.New(rand.NewPCG(1, uint64(1000*factor))), factor, nil}
	for _, engine := range engines {
		s.latency(engine)
		s.throughput(engine)
		s.load(engine)
		s.stages(engine)
		s.cold(engine)
	}
	s.peers()
	for _, engine := range []string{"wasmtime-absent", "process-absent"} {
		s.cells = append(s.cells, result.Cell{
			Key:    cells.Key{Engine: engine, Broker: "inproc", Tracker: "slab", Pattern: cells.Call, PayloadBytes: 64, Mode: cells.Latency},
			Status: result.LeftOut, Reason: engine + ": this build has no such engine",
		})
	}
	return &result.File{
		Schema: result.Schema,
		Environment: result.Environment{
			CPU: "Synthetic processor <never measured>", Cores: 4, GOMAXPROCS: 4, Governor: "performance", Kernel: "6.18.44",
			OS: "linux", Arch: "amd64", Go: "go1.26.8", Modules: map[string]string{"github.com/tetratelabs/wazero": "v1.12.0"},
			Commit: "0123456789abcdef0123", Modified: factor != 1, Flags: []string{"--engine=wazero,wasmtime,native", "--payload=64,1KiB"},
			Seed: 1<<64 - 1, Started: "2026-11-23T10:00:00Z",
		},
		Cells: s.cells,
	}
}

type synthesis struct {
	random *rand.Rand
	factor float64
	cells  []result.Cell
}

type engine struct {
	name        string
	hop, floor  float64 // ns
	coldCompile float64 // ns
}

var engines = []engine{{"wazero", 259, 93, 8.2e6}, {"wasmtime", 274, 150, 31e6}, {"native", 89, 10.5, 210}}

func (s *synthesis) latency(e engine) {
	for _, parts := range []struct {
		broker, tracker string
		hop, round      float64
	}{{"inproc", "slab", 1, 1.81}, {"inproc", "timermap", 1.01, 2.75}, {"channel", "slab", 2.66, 4.1}} {
		for i, pattern := range cells.Patterns() {
			key := cells.Key{Engine: e.name, Broker: parts.broker, Tracker: parts.tracker, Pattern: pattern, PayloadBytes: 64, Mode: cells.Latency}
			key.Components, key.Pairs = []int{2, 0, 0}[i], []int{1, 1, 0}[i]
			median := e.hop * []float64{parts.hop, parts.round, 0.72}[i]
			f := s.add(key, cells.UnitNanoseconds, median*s.factor, 0.02)
			target, _ := cells.Target(key, e.name == "native")
			f.Target, f.WithinTarget = &target, result.VerdictOf(f.CI95Low, f.CI95High, target)
			f.SetFloor(key, e.floor*[]float64{1, 1.25, 0.22}[i])
			f.AllocsPerOp, f.BytesPerOp = []float64{0, 0, 1}[i], []float64{0, 0, 64}[i]
		}
	}
	for _, components := range []int{10, 100, 1000} {
		key := cells.Key{Engine: e.name, Broker: "inproc", Tracker: "slab", Pattern: cells.FireAndForget, PayloadBytes: 64, Mode: cells.Latency, Components: components, Pairs: 1}
		s.add(key, cells.UnitNanoseconds, s.factor*e.hop*(1+math.Log10(float64(components))/4), 0.015)
	}
}

func (s *synthesis) throughput(e engine) {
	for _, cores := range []int{1, 2, 4} {
		for _, components := range []int{2, 100, 1000} {
			key := cells.Key{Engine: e.name, Broker: "inproc", Tracker: "slab", Pattern: cells.FireAndForget, PayloadBytes: 64, Mode: cells.Throughput, Cores: cores, Components: components}
			s.add(key, cells.UnitPerSecond, 1e9/e.hop/s.factor*math.Pow(float64(cores), 0.9)/math.Pow(float64(components), 0.05), 0.03)
		}
	}
}

func (s *synthesis) load(e engine) {
	for _, broker := range []string{"inproc", "channel"} {
		key := cells.Key{Engine: e.name, Broker: broker, Tracker: "slab", Pattern: cells.RequestResponse, PayloadBytes: 64, Mode: cells.Load, Cores: 4, LoadPercent: 50}
		base := e.hop * map[string]float64{"inproc": 2, "channel": 5}[broker]
		f := s.add(key, cells.UnitNanoseconds, base*90, 0.2)
		f.RatePerSecond, f.LateSends = 5e8/base, int64(base)
		for i, percent := range []float64{50, 90, 99, 99.9, 99.99, 100} {
			v := base * math.Pow(8, float64(i)) / math.Pow(1.3, float64(i*i)/2)
			f.Percentiles = append(f.Percentiles, result.Percentile{Percent: percent, Value: v, CI95Low: v * 0.9, CI95High: v * (1.05 + float64(i)/20)})
		}
	}
}

func (s *synthesis) stages(e engine) {
	shares := map[string]float64{
		cells.HostCall: 0.22, cells.Checks: 0.09, cells.Broker: 0.06, cells.Tracker: 0.1, cells.Mailbox: 0.12,
		cells.Delivery: 0.33, cells.Rest: 0.08, cells.Whole: 1,
	}
	for _, pattern := range []cells.Pattern{cells.FireAndForget, cells.RequestResponse} {
		for _, p := range cells.MustFind(cells.Stages).Parts(pattern) {
			part := p.Name
			key := cells.Key{Engine: e.name, Broker: "inproc", Tracker: "slab", Pattern: pattern, PayloadBytes: 64, Mode: cells.Stages, Part: part}
			share := shares[part]
			if part == cells.Rest && pattern == cells.FireAndForget {
				share = -0.02 // and so the whole is 0.8
			}
			if part == cells.Whole && pattern == cells.FireAndForget {
				share = 0.8
			}
			s.add(key, cells.UnitNanoseconds, e.hop*share, 0.01)
		}
	}
}

func (s *synthesis) cold(e engine) {
	figures := map[string]float64{
		cells.Compile: e.coldCompile, cells.LoadCached: e.coldCompile / 9, cells.Instantiate: e.coldCompile / 80,
		cells.FirstMessage: 4 * e.hop, cells.Memory: 1200 * e.hop,
	}
	for _, part := range cells.MustFind(cells.Cold).Parts(cells.Call) {
		key := cells.Key{Engine: e.name, Pattern: cells.Call, PayloadBytes: 64, Mode: cells.Cold, Part: part.Name}
		s.add(key, cells.Unit(key), figures[part.Name], 0.03)
	}
}

func (s *synthesis) peers() {
	for i, peer := range []string{"bare wazero", "knqyf263/go-plugin", "Extism go-sdk, with a <timeout>", "hashicorp/go-plugin, gRPC"} {
		key := cells.Key{Engine: peer, Pattern: cells.Call, PayloadBytes: 64, Mode: cells.Latency, Peer: true}
		s.add(key, cells.UnitNanoseconds, []float64{31, 5801, 63100, 207100}[i], 0.03)
	}
}

// add adds a cell with 32 samples about a median.
func (s *synthesis) add(key cells.Key, unit string, median, spread float64) *result.Figures {
	samples := make([]float64, 32)
	for i := range samples {
		samples[i] = math.Round(10*median*(1+spread*s.random.NormFloat64())) / 10
	}
	if len(s.cells)%5 == 0 {
		samples[30] = math.Round(1.9 * median) // an outlier
	}
	summary, err := stat.Summarize(samples, 1)
	if err != nil {
		panic(err) // there are samples
	}
	f := &result.Figures{
		Unit: unit, Samples: samples, OpsPerSample: 40_000, Median: summary.Median, CI95Low: summary.Low, CI95High: summary.High,
		Mean: summary.Mean, Stddev: summary.Stddev, MAD: summary.MAD, Q1: summary.Q1, Q3: summary.Q3, Outliers: summary.Outliers,
		Warnings: []string{},
	}
	if len(s.cells)%4 == 0 {
		f.Warnings = append(f.Warnings, "busy processors: threads of the run waited for one for 9 % of its time, want at most 5 %")
	}
	if len(s.cells)%11 == 0 {
		f.Warnings = append(f.Warnings, "drift: the second half of the samples is +3.5 % off the first")
	}
	s.cells = append(s.cells, result.Cell{Key: key, Status: result.Measured, Figures: f})
	return f
}
