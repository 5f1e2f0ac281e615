package sandbox

import (
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/abi"
)

// topics are the functions of [abi.PubSub] by name.
var topics = map[string]Func{abi.Publish: (*State).Publish}

// Publish is the host function publish.
func (s *State) Publish(stack []uint64) {
	s.calling(abi.PublishName)
	mem := s.lower.Memory()
	topic, message, err := abi.LiftPublish(mem, uint32(stack[0]), uint32(stack[1]), uint32(stack[2]), uint32(stack[3]))
	must(err)
	s.yieldFor(len(message))
	area := uint32(stack[4])
	must(abi.CheckResultArea(mem, area, abi.PublishName))
	must(abi.LowerResult(s.lower, area, s.publish(topic, message), abi.PublishName))
}

func (s *State) publish(topic, message []byte) error {
	defer hostPanicked()
	return core.PublisherOf(&s.Env).Publish(topic, message)
}
