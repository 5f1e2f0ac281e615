// Command probe does one thing for each word that it is sent, as probe.mjs does, and
// answers with the outcome as JSON.
package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/airhost/airhost/guest"
)

func init() { guest.Export(&probe{callbacks: [][3]string{}, fired: []string{}}) }
func main() {}

type probe struct {
	callbacks [][3]string
	fired     []string
}

func (p *probe) HandleMessage(host guest.Host, _ string, message []byte) ([]byte, error) {
	word, rest, _ := strings.Cut(string(message), " ")
	answer, err := p.local(word, rest)
	if answer == nil && err == nil {
		answer, err = p.remote(host, word, rest)
	}
	if err != nil {
		return nil, err
	}
	return json.Marshal(answer)
}

// local does the words that need nothing of the host.
func (p *probe) local(word, rest string) (any, error) {
	switch word {
	case "echo":
		return rest, nil
	case "callbacks":
		return p.callbacks, nil
	case "fired":
		return p.fired, nil
	case "timer":
		p.fired = append(p.fired, rest)
		return rest, nil
	case "random":
		return []float64{rand.Float64(), rand.Float64(), rand.Float64()}, nil
	case "console":
		fmt.Println("to stdout:", rest)
		fmt.Fprintln(os.Stderr, "to stderr:", rest)
		return "written", nil
	case "fail":
		return nil, guest.Failed("%s", rest)
	case "invalid":
		return nil, guest.InvalidMessage("%s", rest)
	case "trap":
		panic("panic of the guest")
	}
	return nil, nil
}

func (p *probe) remote(host guest.Host, word, rest string) (any, error) {
	first, rest, _ := strings.Cut(rest, " ")
	var id any
	var err error
	switch word {
	case "self":
		return host.SelfID(), nil
	case "log":
		host.Log(guest.LogInfo, first+" "+rest)
		return "logged", nil
	case "date":
		return []any{time.Now().UnixMilli(), strconv.FormatInt(host.Now().UnixMilli(), 10)}, nil
	case "send":
		id, err = "sent", host.Send(first, []byte(rest))
	case "request":
		id, err = host.Request(first, []byte(rest), 0)
	case "after":
		var milliseconds int
		if milliseconds, err = strconv.Atoi(first); err == nil {
			id, err = guest.After(host, time.Duration(milliseconds)*time.Millisecond, []byte("timer "+rest))
		}
	default:
		return nil, guest.InvalidMessage("no word %s", word)
	}
	if err != nil {
		return map[string]string{"refused": err.Error()}, nil
	}
	return fmt.Sprint(id), nil
}

func (p *probe) HandleCallback(_ guest.Host, id guest.RequestID, response []byte, failure error) error {
	ended, text := "ok", string(response)
	if failure != nil {
		ended, text = "err", failure.Error()
	}
	p.callbacks = append(p.callbacks, [3]string{fmt.Sprint(id), ended, text})
	return nil
}
