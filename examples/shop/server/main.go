//go:build !wasip1

// Command server is an HTTP service with a plug-in that keeps the carts of its customers. The plug-in
// asks it for prices, and a service in the web for the rate of US dollars; docs/reach.md starts both.
//
//	SHOP_TOKEN=TOKEN server PLUGIN.wasm URL FOLDER
package main

import (
	"context"
	"log"
	"net/http"
	"os"
)

func main() {
	if len(os.Args) != 4 {
		log.Fatal("usage: SHOP_TOKEN=TOKEN server PLUGIN.wasm URL FOLDER")
	}
	plugin, err := deployment(os.Args[1], os.Args[2], "examples/shop/templates")
	if err != nil {
		log.Fatal(err)
	}
	shop, err := openShop(context.Background(), plugin, os.Args[3], map[string]int{"tea": 450, "cup": 1200})
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe("127.0.0.1:8088", shop.routes()))
}
