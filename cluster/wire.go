package cluster

import (
	"encoding/binary"
	"encoding/json"
	"errors"
)

// ask is a request of one host to another. Its data follow it.
type ask struct {
	Op   string `json:"op"` // opPrepare, opPart or opStart
	ID   string `json:"id"`
	Move string `json:"move"` // names the hand-over
	Size int    `json:"size,omitempty"`
}

const (
	opPrepare = "prepare" // may the component come?
	opPart    = "part"    // a part of the things that it takes with it
	opStart   = "start"   // has it been started?
)

// reply is the answer to an ask.
type reply struct {
	Error string `json:"error,omitempty"`
	Wait  bool   `json:"wait,omitempty"` // it is not decided yet: ask again
}

var errAsk = errors.New("the request is not understood")

func encodeAsk(a ask, data []byte) []byte {
	head, err := json.Marshal(a)
	if err != nil {
		return nil // it does not fail
	}
	return append(append(binary.AppendUvarint(nil, uint64(len(head))), head...), data...)
}

func decodeAsk(request []byte) (a ask, data []byte, err error) {
	n, size := binary.Uvarint(request)
	if size <= 0 || n > uint64(len(request)-size) {
		return a, nil, errAsk
	}
	head := request[size : size+int(n)]
	if json.Unmarshal(head, &a) != nil {
		return a, nil, errAsk
	}
	return a, request[size+int(n):], nil
}
