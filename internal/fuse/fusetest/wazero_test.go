package fusetest

import (
	"context"
	"fmt"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// machines has the engines of this build.
var machines = map[string]func(testing.TB) machine{"wazero": newWazero}

// features are those that airhost switches on.
const features = api.CoreFeaturesV2 | experimental.CoreFeaturesExtendedConst | experimental.CoreFeaturesTailCall

// onWazero is a machine on wazero.
type onWazero struct {
	ctx     context.Context
	runtime wazero.Runtime
	log     []int32
}

func newWazero(t testing.TB) machine {
	m := &onWazero{ctx: t.Context()}
	m.runtime = wazero.NewRuntimeWithConfig(m.ctx, wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(features))
	t.Cleanup(func() { m.runtime.Close(context.Background()) })
	_, err := m.runtime.NewHostModuleBuilder("host").
		NewFunctionBuilder().WithFunc(func(n int32) { m.log = append(m.log, n) }).Export("log").
		NewFunctionBuilder().WithFunc(func() { panic("fail") }).Export("fail").
		Instantiate(m.ctx)
	must(t, err)
	return m
}

func (m *onWazero) instantiate(name string, module []byte) error {
	compiled, err := m.runtime.CompileModule(m.ctx, module)
	if err != nil {
		return fmt.Errorf("invalid: %w", err)
	}
	_, err = m.runtime.InstantiateModule(m.ctx, compiled, wazero.NewModuleConfig().WithName(name).WithStartFunctions())
	return err
}

func (m *onWazero) call(instance, export string, arguments []uint64) ([]uint64, error) {
	return m.runtime.Module(instance).ExportedFunction(export).Call(m.ctx, arguments...)
}

func (m *onWazero) logged() []int32 { return m.log }
