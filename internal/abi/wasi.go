package abi

import (
	"strings"
	"sync"

	"github.com/airhost/airhost/internal/wit"
)

// wasiSignatures lists all functions of preview 1 with their parameters. All
// functions but proc_exit return an errno.
const wasiSignatures = `
adapter_close_badfd i
adapter_open_badfd i
args_get ii
args_sizes_get ii
clock_res_get ii
clock_time_get iIi
environ_get ii
environ_sizes_get ii
fd_advise iIIi
fd_allocate iII
fd_close i
fd_datasync i
fd_fdstat_get ii
fd_fdstat_set_flags ii
fd_fdstat_set_rights iII
fd_filestat_get ii
fd_filestat_set_size iI
fd_filestat_set_times iIIi
fd_pread iiiIi
fd_prestat_dir_name iii
fd_prestat_get ii
fd_pwrite iiiIi
fd_read iiii
fd_readdir iiiIi
fd_renumber ii
fd_seek iIii
fd_sync i
fd_tell ii
fd_write iiii
path_create_directory iii
path_filestat_get iiiii
path_filestat_set_times iiiiIIi
path_link iiiiiii
path_open iiiiiIIii
path_readlink iiiiii
path_remove_directory iii
path_rename iiiiii
path_symlink iiiii
path_unlink_file iii
poll_oneoff iiii
proc_exit i
proc_raise i
random_get ii
sched_yield -
sock_accept iii
sock_recv iiiiii
sock_send iiiii
sock_shutdown ii`

// WASIImports returns all functions of [WASI].
func WASIImports() []Func {
	lines := strings.Split(strings.TrimSpace(wasiSignatures), "\n")
	funcs := make([]Func, len(lines))
	for i, line := range lines {
		name, params, _ := strings.Cut(line, " ")
		result := ":i"
		if name == "proc_exit" {
			result = ":"
		}
		funcs[i] = Func{name, signature(params + result)}
	}
	return funcs
}

// WASI2 ends the names of the modules of WASI 0.2, as [ModuleName] returns them, but for those of
// wasi:keyvalue and wasi:config, which are drafts.
const (
	WASI2         = "@0.2.0"
	keyValueDraft = "@0.2.0-draft2"
	configDraft   = "@0.2.0-draft"
)

// IncomingHandler is the interface that guests export which handle requests of HTTP, without its
// version.
const IncomingHandler = "wasi:http/incoming-handler"

// configStore is the interface of wasi:config, and configNames are its other names: of the
// version after the draft, and of a draft before.
const configStore = "wasi:config/store"

var configNames = []string{configStore + "@0.2.0-rc.1", "wasi:config/runtime" + configDraft}

// KeyValue begins the names of the modules of wasi:keyvalue.
const KeyValue = "wasi:keyvalue/"

// OutgoingHandler is the name of the module by which guests send requests to the web.
const OutgoingHandler = "wasi:http/outgoing-handler" + WASI2

// ModuleOf returns the name of the module of an interface of WASI 0.2.
func ModuleOf(wasi2 string) string {
	switch {
	case strings.HasPrefix(wasi2, KeyValue):
		return wasi2 + keyValueDraft
	case wasi2 == configStore:
		return wasi2 + configDraft
	}
	return wasi2 + WASI2
}

// FindWASI2 returns the interface of WASI 0.2 that a module of this name is, or nil. Like
// [ModuleName] it takes any patch version.
func FindWASI2(module string) *wit.Interface {
	if !strings.HasPrefix(module, wasiNamespace) {
		return nil
	}
	module = ModuleName(module)
	name, _, _ := strings.Cut(module, "@")
	if ModuleOf(name) != module {
		return nil
	}
	return wit.Find(name)
}

var interfaces = sync.OnceValue(Interfaces)

// FindInterface returns the interface by the name of its module, which [ModuleName] has
// returned: one of [Interfaces] or of WASI 0.2.
func FindInterface(module string) (found Interface, ok bool) {
	if of := FindWASI2(module); of != nil {
		found = Interface{Module: module, Funcs: make([]Func, len(of.Funcs))}
		for i, f := range of.Funcs {
			found.Funcs[i] = Func{f.Name, f.Core}
		}
		return found, true
	}
	for _, i := range interfaces() {
		if i.Module == module {
			return i, true
		}
	}
	return Interface{}, false
}
