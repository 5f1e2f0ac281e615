package plugin

import (
	"log/slog"
	"testing"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/brokertest"
	"github.com/airhost/airhost/internal/extension/extensiontest"
	sdk "github.com/airhost/airhost/plugin"
)

// roles are the brokers that this test's executable runs when it is started as a
// process.
var roles = extensiontest.Roles{
	"exchange": func() { sdk.ServeBroker(newExchange().broker()) },
	"panics":   func() { sdk.ServeBroker(panics{newExchange().broker(), ""}) },
	"refuses":  func() { sdk.ServeBroker(panics{newExchange().broker(), "open"}) },
}

func TestMain(m *testing.M) { roles.Main(m) }

// child returns a broker with this test's executable, in a role, as its process.
func child(t testing.TB, role string, config Config) *Broker {
	t.Helper()
	b, err := New(childConfig(t, role, config))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func childConfig(t testing.TB, role string, config Config) Config {
	t.Helper()
	command := roles.Command(t, role)
	config.Path, config.Args, config.Env = command.Path, command.Args, command.Env
	config.Logger = orDiscard(config.Logger)
	return config
}

func orDiscard(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return log
}

func TestBrokerInMemory(t *testing.T) {
	brokertest.Run(t, brokertest.Harness{
		New:  func() (core.Broker, error) { return newExchange().newMember(Config{}) },
		Late: true,
	})
}

func TestBrokerProcess(t *testing.T) {
	brokertest.Run(t, brokertest.Harness{
		New:  func() (core.Broker, error) { return child(t, "exchange", Config{}), nil },
		Late: true,
	})
}
