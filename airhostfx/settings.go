package airhostfx

import (
	"fmt"
	"log/slog"
	"reflect"

	"go.uber.org/fx"
)

// settings are the configuration of one part, as the graph has it.
type settings[C any] struct {
	fx.In

	Value   C            `optional:"true"`
	Pointer *C           `optional:"true"`
	Logger  *slog.Logger `optional:"true"`
}

// build calls a part's constructor.
func build[C, P any](constructor func(C) (P, error), s settings[C]) (part P, err error) {
	config, err := s.config()
	if err != nil {
		return part, err
	}
	return constructor(config)
}

// config returns the configuration, or its zero value where the graph has none.
func (s settings[C]) config() (C, error) {
	config := s.Value
	if s.Pointer != nil {
		if !reflect.ValueOf(&config).Elem().IsZero() {
			return config, fmt.Errorf("there are two configurations, a %T and a %T; supply one", config, s.Pointer)
		}
		config = *s.Pointer
	}
	if s.Logger != nil {
		setLogger(reflect.ValueOf(&config).Elem(), s.Logger)
	}
	return config, nil
}

// setLogger sets the field Logger of a configuration that has one and leaves it nil.
func setLogger(config reflect.Value, logger *slog.Logger) {
	if config.Kind() != reflect.Struct {
		return
	}
	value := reflect.ValueOf(logger)
	if field := config.FieldByName("Logger"); field.IsValid() && field.Type() == value.Type() && field.IsNil() {
		field.Set(value)
	}
}
