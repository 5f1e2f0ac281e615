//lint:file-ignore U1000 The compiler exports these functions; staticcheck does not know.

package state

import "github.com/airhost/airhost/guest/internal/exports"

//go:wasmexport airhost:state/component-state@0.1.0#save
func save() uint32 { return exports.Save() }

//go:wasmexport cabi_post_airhost:state/component-state@0.1.0#save
func postSave(uint32) { exports.PostReturn() }

//go:wasmexport airhost:state/component-state@0.1.0#restore
func restore(address, size uint32) uint32 { return exports.Restore(address, size) }

//go:wasmexport cabi_post_airhost:state/component-state@0.1.0#restore
func postRestore(uint32) { exports.PostReturn() }
