package main

import (
	"fmt"
	"os"

	"github.com/airhost/airhost/examples/echo"
	"github.com/airhost/airhost/examples/relay"
	"github.com/airhost/airhost/plugin"
)

func init() {
	extensionPrograms["dawdler"] = func() { fmt.Fprintln(os.Stderr, "dawdling"); select {} }
	extensionPrograms["relay"] = func() { plugin.Serve(relay.New()) }
	extensionPrograms["stock"] = func() {
		fmt.Fprintln(os.Stderr, "stock of", os.Getenv("OWNER"), "for", os.Getenv("TEST_OWNER"), os.Args[1:])
		plugin.Serve(echo.New())
	}
}
