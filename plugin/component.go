package plugin

import (
	"context"
	"errors"
	"io"
	"sync/atomic"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/airhost/airhost/guest"
	pluginv1 "github.com/airhost/airhost/proto/airhost/plugin/v1"
)

// componentServer is the service of a component's process.
type componentServer struct {
	pluginv1.UnimplementedComponentServer
	component guest.Component
	wants     chan struct{} // has room for one entry: the component wants a turn
	stop      func()
	ran       atomic.Bool
	crashed   atomic.Bool // set before the host hears of a crash
}

func (s *componentServer) Describe(context.Context, *pluginv1.DescribeRequest) (*pluginv1.Description, error) {
	_, callback := s.component.(guest.CallbackHandler)
	_, starts := s.component.(guest.Initializer)
	_, reports := s.component.(guest.HealthReporter)
	_, ends := s.component.(guest.Shutdowner)
	_, state := s.component.(guest.StateKeeper)
	return &pluginv1.Description{Callback: callback, Management: starts || reports || ends, State: state, Turns: true}, nil
}

// Wants tells the host when the component wants a turn, until the end of the component.
func (s *componentServer) Wants(_ *pluginv1.WantsRequest, stream pluginv1.Component_WantsServer) error {
	for {
		select {
		case <-s.wants:
			if err := stream.Send(&pluginv1.Wanted{}); err != nil {
				return err
			}
		case <-stream.Context().Done():
			return nil
		}
	}
}

// Run runs the component until the host ends the stream. Then the process ends.
func (s *componentServer) Run(stream pluginv1.Component_RunServer) error {
	if s.ran.Swap(true) {
		return status.Error(codes.AlreadyExists, "a component runs once in a process")
	}
	go func() {
		<-stream.Context().Done() // the host has ended the stream, or is gone
		s.stop()
	}()
	err := newSession(s, stream).run()
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
