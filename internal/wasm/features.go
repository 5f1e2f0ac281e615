package wasm

import "fmt"

// Feature is a part of WebAssembly that guests may not use.
type Feature uint8

// The features. Parse reads those up to Threads, since code that is not a guest's may
// use them. It refuses a module with one of the others.
const (
	Exceptions Feature = iota
	TypedReferences
	Memory64
	Threads
	LegacyExceptions
	RelaxedSIMD
	MultiMemory
	GC
	PageSizes
	SharedEverything
	StackSwitching
	WideArithmetic
	numFeatures
)

// features has the name of each feature, and advice for a build without it.
var features = [numFeatures]struct{ name, instead string }{
	Exceptions:       {"exceptions", noExceptions},
	LegacyExceptions: {"exceptions (legacy)", noExceptions},
	TypedReferences:  {"typed function references", "call by tables (wasm-opt --disable-gc, clang -mno-gc)"},
	Memory64:         {"64-bit memories or tables", "build for wasm32 (clang --target=wasm32-wasip1, rustc --target wasm32-wasip1, emcc without -sMEMORY64, or wasm-opt --memory64-lowering)"},
	Threads:          {"threads", "build without atomics and shared memory (clang -mno-atomics without -pthread, rustc -C target-feature=-atomics, the target wasm32-wasip1 in place of wasm32-wasip1-threads)"},
	RelaxedSIMD:      {"relaxed SIMD instructions", "build without it (clang -mno-relaxed-simd, rustc -C target-feature=-relaxed-simd); plain SIMD is supported"},
	MultiMemory:      {"several memories", "build with one (clang -mno-multimemory, or wasm-opt --multi-memory-lowering)"},
	GC:               {"garbage-collected types", "build for linear memory, as clang, rustc, Go, TinyGo and AssemblyScript do"},
	PageSizes:        {"custom page sizes", "leave memories in pages of 64 KiB (wasm-ld without --page-size)"},
	SharedEverything: {"shared-everything threads", "build without shared types and the instructions for them"},
	StackSwitching:   {"continuations (stack switching)", "build without it (emcc -sASYNCIFY in place of -sJSPI, or wasm-opt --asyncify)"},
	WideArithmetic:   {"instructions of wide arithmetic", "build without it (clang -mno-wide-arithmetic, rustc -C target-feature=-wide-arithmetic)"},
}

const noExceptions = "build without them (clang++ -fno-exceptions, emcc -fno-exceptions, rustc -C panic=abort)"

// UnsupportedError is the error for a module that uses an unsupported feature. Its
// text says how to build without the feature.
type UnsupportedError struct{ Feature Feature }

// Error names the feature, and how to build without it.
func (e *UnsupportedError) Error() string {
	f := features[e.Feature]
	return fmt.Sprintf("it uses %s, which are not supported: %s", f.name, f.instead)
}

// FeatureSet is a set of features.
type FeatureSet uint32

// Set returns the set that has only f.
func (f Feature) Set() FeatureSet { return 1 << f }

// Errors returns an error for each feature of the set.
func (s FeatureSet) Errors() (all []error) {
	for f := range numFeatures {
		if s&f.Set() != 0 {
			all = append(all, &UnsupportedError{f})
		}
	}
	return all
}

// Err returns an error for the first feature of the set, or nil for an empty one.
func (s FeatureSet) Err() error {
	for _, err := range s.Errors() {
		return err
	}
	return nil
}

// unsupported ends the reading because of a feature.
func (r *reader) unsupported(offset int, f Feature) {
	if r.err == nil {
		r.feature = &UnsupportedError{f}
	}
	r.fail(offset, "%s", features[f].name)
}

// uses notes a feature that Parse reads.
func (r *reader) uses(f Feature) { r.features |= f.Set() }

// usedBy has the features of the instructions that Parse reads, by their first byte.
var usedBy = func() (t [256]FeatureSet) {
	for f, opcodes := range map[Feature][]byte{
		Exceptions:      {byte(OpThrow), byte(OpThrowRef), byte(OpTryTable)},
		TypedReferences: {byte(OpCallRef), byte(OpReturnCallRef), 0xd4, byte(OpBrOnNull), byte(OpBrOnNonNull)},
		Threads:         {prefixAtomic},
	} {
		for _, op := range opcodes {
			t[op] = f.Set()
		}
	}
	return t
}()

// featureOf returns the feature of an instruction that Parse refuses. op is its first
// byte or, after a prefix, its number.
func featureOf(prefix byte, op uint32) (Feature, bool) {
	for _, f := range []struct {
		prefix   byte // 0 for none
		from, to uint32
		feature  Feature
	}{
		{0, 0x06, 0x07, LegacyExceptions}, // try, catch
		{0, 0x09, 0x09, LegacyExceptions}, // rethrow
		{0, 0x18, 0x19, LegacyExceptions}, // delegate, catch_all
		{0, 0xd3, 0xd3, GC},               // ref.eq
		{0, 0xe0, 0xe6, StackSwitching},
		{prefixGC, 0x00, 0x1e, GC},
		{prefixMisc, 0x13, 0x16, WideArithmetic},
		{prefixVector, 0x100, 0x113, RelaxedSIMD},
		{prefixAtomic, 0x04, 0x04, SharedEverything}, // pause
		{prefixAtomic, 0x4f, 0x77, SharedEverything},
	} {
		if prefix == f.prefix && op >= f.from && op <= f.to {
			return f.feature, true
		}
	}
	return 0, false
}

// featureOfType returns the feature of a value type, heap type or defined type that
// Parse refuses, by its first byte.
func featureOfType(code byte) (Feature, bool) {
	switch code {
	case 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x71, 0x72, 0x73, 0x74, // arrayref, structref, i31ref, eqref, anyref, and the null types
		0x4f, 0x50, 0x5e, 0x5f: // sub, array, struct
		return GC, true
	case 0x5d, 0x68, 0x75: // continuations
		return StackSwitching, true
	case 0x65: // shared
		return SharedEverything, true
	}
	return 0, false
}

// CheckCode reads all code. It returns a [*FormatError] for malformed code, and an
// [*UnsupportedError] for a feature that guests may not use.
func (m *Module) CheckCode() error {
	for i := range m.Code {
		in := m.Code[i].Instructions()
		for in.Next() && in.Features() == 0 {
		}
		if err := in.Features().Err(); err != nil {
			return err
		}
		if err := in.Err(); err != nil {
			return err
		}
	}
	return nil
}
