package web_test

import (
	"fmt"
	"net/http"

	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/guest/guesttest"
	"github.com/airhost/airhost/guest/web"
)

func ExampleHandler() {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders/{id}", func(w http.ResponseWriter, r *http.Request) {
		web.Host(r.Context()).Log(guest.LogInfo, "order "+r.PathValue("id"))
		fmt.Fprintln(w, "order", r.PathValue("id"), "of", r.URL.Query().Get("customer"))
	})
	component := web.Handler(mux) // for guest.Export, a native engine or a process

	response, err := component.HandleMessage(&guesttest.Host{}, "airhost/gateway", []byte("GET /orders/7?customer=me HTTP/1.1\r\nHost: example.com\r\n\r\n"))
	fmt.Printf("%q %v\n", response, err)
	// Output: "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 14\r\n\r\norder 7 of me\n" <nil>
}
