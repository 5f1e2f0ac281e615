package echo_test

import (
	"testing"

	"github.com/airhost/airhost/examples/echo"
	"github.com/airhost/airhost/guest/guesttest"
)

func TestEcho(t *testing.T) {
	for _, message := range []string{"", "hello", "\x00\xff"} {
		response, err := echo.New().HandleMessage(&guesttest.Host{}, "demo/a", []byte(message))
		if err != nil || string(response) != message {
			t.Errorf("%q came back as %q, %v", message, response, err)
		}
	}
}
