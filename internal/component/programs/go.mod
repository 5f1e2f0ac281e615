// A module of its own, so that whoever uses airhost does not download programs for tests.
module github.com/airhost/airhost/internal/component/programs

go 1.26.0

require (
	github.com/airhost/airhost v0.0.0
	github.com/samyfodil/wazy v0.7.0
)

require (
	github.com/tetratelabs/wazero v1.12.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
)

replace github.com/airhost/airhost => ../../..
