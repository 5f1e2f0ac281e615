// Command hello is the smallest component in Go: it answers each message.
package main

import "github.com/airhost/airhost/guest"

type hello struct{}

func (hello) HandleMessage(host guest.Host, sender string, message []byte) ([]byte, error) {
	return []byte("Hello, " + string(message) + "!"), nil
}

func init() { guest.Export(hello{}) }
func main() {}
