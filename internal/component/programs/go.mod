// A module of its own, so that whoever uses airhost does not download programs for tests.
module github.com/airhost/airhost/internal/component/programs

go 1.26.0

require (
	github.com/airhost/airhost v0.0.0
	github.com/samyfodil/wazy v0.7.0
)

replace github.com/airhost/airhost => ../../..
