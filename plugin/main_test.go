package plugin_test

import "testing"

func TestMain(m *testing.M) {
	serveIfAsked()
	m.Run()
}
