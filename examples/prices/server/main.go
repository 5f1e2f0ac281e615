//go:build !wasip1

// Command server is an HTTP service that has orders added up by a plug-in. The plug-in asks
// it for the prices, within the request.
//
//	examples/build.sh
//	go run ./examples/prices/server bin/guests/prices.wasm
//	curl -d 'tea 2' localhost:8080
package main

import (
	"context"
	"log"
	"net/http"
	"os"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: server PLUGIN.wasm")
	}
	shop, err := openShop(context.Background(), os.Args[1], map[string]int{"tea": 450, "cup": 1200})
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe("localhost:8080", shop))
}
