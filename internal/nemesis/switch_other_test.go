//go:build !linux

package nemesis

import "errors"

func newSwitch(string, uint64) (network, error) {
	return nil, errors.New("this system has no network namespaces")
}
