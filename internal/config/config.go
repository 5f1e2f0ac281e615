// Package config reads airhost's configuration file: one YAML document that lists the
// components, the engine of each, its capabilities and its limits.
//
// [Load] reports all mistakes in a file at once, each with its line, its column, the
// expected value and the nearest valid key. [Schema] is the same vocabulary as a JSON
// schema, for editors.
package config

import "github.com/airhost/airhost/core"

// File is a configuration file. A zero field was left out and stands for its default.
// [Schema] and the checks of [Decode] are made from the tags.
type File struct {
	Include    []string                      `yaml:"include,omitempty" jsonschema:"eachMinLength=1" jsonschema_description:"Further files with components and defaults of their own, by names or patterns relative to this file: * stands for any characters, ? for one, [a-z] for one of these. Files whose names begin with a dot match no *."`
	Host       Host                          `yaml:"host,omitempty" jsonschema_description:"The host that all components share."`
	Functions  map[core.ComponentID]Function `yaml:"functions,omitempty" jsonschema_description:"Functions that components may call within a call, by their names as namespace/name, with the component that provides each."`
	KeyValue   KeyValue                      `yaml:"keyvalue,omitempty" jsonschema_description:"The store in which components keep keys with their values; without it there is none."`
	HTTP       HTTPOut                       `yaml:"http,omitempty" jsonschema_description:"How requests of components to the web are sent, as far as capabilities.http grants them."`
	Components []Component                   `yaml:"components,omitempty" jsonschema:"minItems=1" jsonschema_description:"The components that run in the host; needed unless there is include."`
	// Defaults are in the components already.
	Defaults Defaults `yaml:"defaults,omitempty" jsonschema_description:"What components have that do not say otherwise. Keys with keys below them are completed key by key, lists are replaced; what an engine does not have is left out for its components."`
	// Budgets are by namespace.
	Budgets   map[string]Budget `yaml:"budgets,omitempty" jsonschema_description:"Bounds on all components of a namespace together, by namespace."`
	Gateway   Gateway           `yaml:"gateway,omitempty" jsonschema_description:"The ways in from outside."`
	Schedules []Schedule        `yaml:"schedules,omitempty" jsonschema_description:"Requests to components at fixed intervals, or at the times of cron expressions. Their sender is airhost/schedule."`

	text     *text
	included []*text // in their order
	// The following are by the paths of values, also of those that are included.
	marks     map[string]mark
	variables map[string]variable // values that came from variables
	wrong     map[string]bool     // values that have a mistake

	unmatched []string // the paths of patterns of include that match no file
}

// Host is the configuration of the host. The values of broker and tracker, as those of a
// component's engine, are in the program's [Built].
type Host struct {
	Broker         Part     `yaml:"broker,omitempty" jsonschema_description:"The broker, which carries the messages: one by its name, or an executable of your own."`
	NATS           NATS     `yaml:"nats,omitempty" jsonschema_description:"How the broker nats joins the host to others."`
	Tracker        Part     `yaml:"tracker,omitempty" jsonschema_description:"The tracker, which remembers pending requests: one by its name, or an executable of your own."`
	RequestTimeout Duration `yaml:"request_timeout,omitempty" jsonschema:"minimum=1ms,maximum=24h,default=5s" jsonschema_description:"The timeout of a request that asks for a timeout of 0."`
	DrainTimeout   Duration `yaml:"drain_timeout,omitempty" jsonschema:"minimum=1ms,maximum=24h,default=5s" jsonschema_description:"The time that a stop waits for messages and requests under way."`
	Workers        int      `yaml:"workers,omitempty" jsonschema:"minimum=0,maximum=100000,default=0" jsonschema_description:"How many components run at the same time; 0 is one for each core."`
	HeldUpWorkers  int      `yaml:"held_up_workers,omitempty" jsonschema:"minimum=1,maximum=100000,default=256" jsonschema_description:"How many workers may be blocked at the same time, each by a long call, and be replaced by other workers; fewer if the system allows fewer threads."`
	DeadLetters    int      `yaml:"dead_letters,omitempty" jsonschema:"minimum=1,maximum=1000000,default=256" jsonschema_description:"How many of the last messages that nobody handled are kept."`
	Admin          string   `yaml:"admin,omitempty" jsonschema:"minLength=1" jsonschema_description:"The address of the admin API: the path of a Unix socket, relative to this file; or host:port, with admin_token_file; or off. By default a socket in $XDG_RUNTIME_DIR/airhost, or else beside this file."`
	AdminTokenFile string   `yaml:"admin_token_file,omitempty" jsonschema:"minLength=1" jsonschema_description:"A file, relative to this one, with the token that clients of the admin API must show: one line of at least 16 characters."`
	Interpreter    bool     `yaml:"interpreter,omitempty" jsonschema:"default=false" jsonschema_description:"Whether the engine wazero interprets guests instead of compiling them: slower by far, with less that could be wrong."`
}

// Defaults has the keys of a component but id, source, sha256 and secrets.
type Defaults Component

// Component is one guest with its capabilities and limits.
type Component struct {
	ID             core.ComponentID `yaml:"id" jsonschema:"required" jsonschema_description:"The component's name in the host, as namespace/name."`
	Source         string           `yaml:"source" jsonschema:"required,minLength=1" jsonschema_description:"The guest's file, relative to this file; for the process engine an executable; for the native engine the name of a component that is built in."`
	SHA256         Checksum         `yaml:"sha256,omitempty" jsonschema_description:"The checksum that the source must have, in 64 hexadecimal digits. It is checked whenever the source is read, of a process at each start."`
	Engine         string           `yaml:"engine,omitempty" jsonschema_description:"The engine, which runs the guest."`
	Instances      Instances        `yaml:"instances,omitempty" jsonschema_description:"How many instances there are, each with its own memory: a number, or auto for one per core. They share the mailbox and the quota."`
	Spread         string           `yaml:"spread,omitempty" jsonschema:"enum=sender,enum=any,default=sender" jsonschema_description:"The instance that handles a message. sender: the same one for all messages of a sender, so that they stay in order; any: one that is free."`
	Delivery       string           `yaml:"delivery,omitempty" jsonschema:"enum=memory,enum=durable,default=memory" jsonschema_description:"What keeps the fire-and-forget messages to the component. memory: its mailbox alone; durable: a stream of JetStream, until handle-message has returned, with the broker nats."`
	Place          string           `yaml:"place,omitempty" jsonschema:"enum=here,enum=any,default=here" jsonschema_description:"Where the component runs. here: on this host; any: on one of the hosts of the cluster that have it in their files, and on another one when that is gone. any is for the broker nats, with JetStream, and needs host.nats.name."`
	PlaceLabels    map[string]Label `yaml:"place_labels,omitempty" jsonschema_description:"The labels (host.nats.labels) that a host must have to run the component, with place: any."`
	Process        Process          `yaml:"process,omitempty" jsonschema_description:"How the executable is started, for the process engine alone."`
	Env            Pairs            `yaml:"env,omitempty" jsonschema_description:"The environment of an executable, or the one that a WebAssembly guest gets by WASI: nothing of airhost's own is added. NAME: ${NAME} passes a variable on."`
	Args           []string         `yaml:"args,omitempty" jsonschema_description:"The arguments that a WebAssembly guest gets by WASI. Those of an executable are process.args."`
	Config         Pairs            `yaml:"config,omitempty" jsonschema_description:"Handed to the guest's initialize, in this order."`
	Secrets        Secrets          `yaml:"secrets,omitempty" jsonschema_description:"Settings that the component alone may read, by wasi:config/store and by the function airhost/secret: each key with the variable or the file that has the value. At most 64."`
	Capabilities   Capabilities     `yaml:"capabilities,omitempty" jsonschema_description:"The targets that the component may message, the functions that it may call, the topics on which it may publish, its buckets, the URLs that it may request, and its directories. Nothing is granted by default."`
	Subscribe      []Subscription   `yaml:"subscribe,omitempty" jsonschema_description:"The topics on which the component gets the messages that others publish: each message once, with the publisher as the sender. The first entry that matches a topic counts."`
	Limits         Limits           `yaml:"limits,omitempty" jsonschema_description:"The resources that the component may use."`
	Quota          Quota            `yaml:"quota,omitempty" jsonschema_description:"The messages and requests to the web that the component may send, and what its own bucket and its directories may have."`
	Accept         Accept           `yaml:"accept,omitempty" jsonschema_description:"The messages that the component takes, whoever sends them."`
	Restart        Restart          `yaml:"restart,omitempty" jsonschema_description:"When and how fast the guest is started again after it has ended."`
	Logs           Logs             `yaml:"logs,omitempty" jsonschema_description:"How much the component may log, standard output and standard error included."`
	Required       bool             `yaml:"required,omitempty" jsonschema:"default=false" jsonschema_description:"Whether the exit code is 1 when the component has failed by the time that airhost ends."`
	HealthInterval Duration         `yaml:"health_interval,omitempty" jsonschema:"minimum=0s,maximum=24h,default=0s" jsonschema_description:"How often the guest is asked for its health; 0s is never."`

	variables map[string]bool // the paths of values that came from variables
}

// Process is the command line and the limits of a component that is an executable.
type Process struct {
	Args      []string `yaml:"args,omitempty" jsonschema_description:"The executable's arguments."`
	Memory    Size     `yaml:"memory,omitempty" jsonschema:"minimum=1MiB,maximum=1TiB" jsonschema_description:"How much memory it may use: by cgroup v2, or else RLIMIT_DATA. Without a limit by default, as the following."`
	OpenFiles int64    `yaml:"open_files,omitempty" jsonschema:"minimum=16,maximum=1048576" jsonschema_description:"How many files it may have open, by RLIMIT_NOFILE."`
	CPUTime   Duration `yaml:"cpu_time,omitempty" jsonschema:"minimum=1s,maximum=8760h" jsonschema_description:"How much processor time it may use in its life, by RLIMIT_CPU."`
}

// Capabilities are the targets that a component may message, the functions that it may call,
// the topics on which it may publish, its buckets, the URLs that it may request, and its directories.
type Capabilities struct {
	Send     []core.IDPattern    `yaml:"send,omitempty" jsonschema_description:"Targets of fire-and-forget: namespace/name, namespace/* or *."`
	Request  []core.IDPattern    `yaml:"request,omitempty" jsonschema_description:"Targets of request-response: namespace/name, namespace/* or *."`
	Call     []core.IDPattern    `yaml:"call,omitempty" jsonschema_description:"Functions that it may call, by their names: namespace/name, namespace/* or *."`
	Publish  []core.TopicPattern `yaml:"publish,omitempty" jsonschema_description:"Topics on which it may publish: parts divided by dots. * is any one part, and a last > one or more."`
	KeyValue []string            `yaml:"keyvalue,omitempty" jsonschema:"eachMinLength=1" jsonschema_description:"Buckets of wasi:keyvalue that it may use: default is its own, the others are those of keyvalue.buckets."`
	HTTP     []string            `yaml:"http,omitempty" jsonschema:"eachMinLength=1" jsonschema_description:"URLs that it may request: scheme://host:port/path. A host of *.example.com stands for the names below example.com, a port of * for any, and a * at the end of the path for all that begins so."`
	Files    []Directory         `yaml:"files,omitempty" jsonschema_description:"Directories of the host that it may use: a guest of WebAssembly by WASI, a native component by guest.OpenRoot. 16 at most."`
}

// Limits bound the resources that one component may use.
type Limits struct {
	Memory          Size     `yaml:"memory,omitempty" jsonschema:"minimum=64KiB,maximum=4GiB,default=32MiB" jsonschema_description:"The largest linear memory."`
	TableElements   uint32   `yaml:"table_elements,omitempty" jsonschema:"minimum=1,maximum=4294967295,default=10000" jsonschema_description:"The largest size of each table."`
	Nesting         int      `yaml:"nesting,omitempty" jsonschema:"minimum=1,maximum=100000,default=10000" jsonschema_description:"How deep the blocks of a WebAssembly guest's functions may be nested; what compiling them may cost is bounded beside it."`
	Stack           Size     `yaml:"stack,omitempty" jsonschema:"minimum=64KiB,maximum=16MiB,default=1MiB" jsonschema_description:"How much of the stack the open calls of a WebAssembly guest may take: 32 bytes a call, and 8 for each parameter, local and operand, 16 where there are vectors. On Wasmtime 1MiB at most."`
	HandlerTime     Duration `yaml:"handler_time,omitempty" jsonschema:"minimum=1ms,maximum=24h,default=250ms" jsonschema_description:"For how long the guest may run in one call, on a processor; for native and process how long a call may take."`
	HandlerWallTime Duration `yaml:"handler_wall_time,omitempty" jsonschema:"minimum=1ms,maximum=240h" jsonschema_description:"For how long the guest may run and wait in one call, for WebAssembly alone; 10 times handler_time by default."`
	StartTime       Duration `yaml:"start_time,omitempty" jsonschema:"minimum=1ms,maximum=24h,default=10s" jsonschema_description:"How long an instance may take to start, its initialize included; a process from its launch on."`
	Fuel            uint64   `yaml:"fuel,omitempty" jsonschema:"minimum=0,default=0" jsonschema_description:"How much one call may use up; 0 is without a limit and without counting."`
	Mailbox         int      `yaml:"mailbox,omitempty" jsonschema:"minimum=1,maximum=1048576,default=1024" jsonschema_description:"How many messages may wait for the component."`
	MailboxBytes    Size     `yaml:"mailbox_bytes,omitempty" jsonschema:"minimum=1KiB,maximum=1TiB,default=64MiB" jsonschema_description:"How much memory the messages that wait may take: their payloads and 256 bytes for each. Outcomes of the component's own requests may take as much again, and so may its timers."`
	Timers          int      `yaml:"timers,omitempty" jsonschema:"minimum=1,maximum=1048576,default=100" jsonschema_description:"How many timers of the component may run, or have fired and wait for it."`
}

// Quota bounds the messages and requests that one component may send, its own bucket, and its
// directories.
type Quota struct {
	MessagesPerSecond int  `yaml:"messages_per_second,omitempty" jsonschema:"minimum=1,maximum=1000000000,default=10000" jsonschema_description:"How many messages and requests may be sent in the long run."`
	Burst             int  `yaml:"burst,omitempty" jsonschema:"minimum=1,maximum=1000000000,default=1000" jsonschema_description:"How many may be sent at once after a pause."`
	MessageSize       Size `yaml:"message_size,omitempty" jsonschema:"minimum=1B,maximum=1GiB,default=1MiB" jsonschema_description:"The largest message, responses included."`
	PendingRequests   int  `yaml:"pending_requests,omitempty" jsonschema:"minimum=1,maximum=1000000,default=1000" jsonschema_description:"How many requests may wait for their outcome."`
	KeyValueBytes     Size `yaml:"keyvalue_bytes,omitempty" jsonschema:"minimum=1B,maximum=1TiB,default=16MiB" jsonschema_description:"How many bytes all keys and values of the component's own bucket may have."`
	KeyValueKeys      int  `yaml:"keyvalue_keys,omitempty" jsonschema:"minimum=1,maximum=1000000000,default=10000" jsonschema_description:"How many keys it may have there."`
	HTTPRequests      int  `yaml:"http_requests,omitempty" jsonschema:"minimum=1,maximum=10000,default=16" jsonschema_description:"How many requests to the web may be under way, of all its instances together."`
	FilesBytes        Size `yaml:"files_bytes,omitempty" jsonschema:"minimum=1B,maximum=1TiB,default=64MiB" jsonschema_description:"How many bytes the files may have in a directory that it may change (mode: rw), whoever has written them."`
	Files             int  `yaml:"files,omitempty" jsonschema:"minimum=1,maximum=1000000,default=10000" jsonschema_description:"How many files, directories and links there may be."`
}

// Accept bounds the messages that come to one component.
type Accept struct {
	MessagesPerSecond int `yaml:"messages_per_second,omitempty" jsonschema:"minimum=0,maximum=1000000000,default=0" jsonschema_description:"How many messages and requests may come in the long run; more are refused with queue-full. 0 is without a limit but the mailbox's."`
	Burst             int `yaml:"burst,omitempty" jsonschema:"minimum=0,maximum=1000000000,default=0" jsonschema_description:"How many may come at once after a pause; 0 is as many as in a second."`
}

// Budget bounds all components of a namespace together.
type Budget struct {
	Memory            Size     `yaml:"memory,omitempty" jsonschema:"minimum=64KiB,maximum=1024TiB" jsonschema_description:"The sum of limits.memory over all instances, also of those that start beside others in a replacement. It needs engines for WebAssembly. Without a limit by default, as the following."`
	MessagesPerSecond int      `yaml:"messages_per_second,omitempty" jsonschema:"minimum=1,maximum=1000000000" jsonschema_description:"How many messages and requests the components may send in the long run; more are refused with quota-exceeded."`
	Burst             int      `yaml:"burst,omitempty" jsonschema:"minimum=1,maximum=1000000000" jsonschema_description:"How many they may send at once after a pause; as many as in a second by default."`
	RunningTime       Duration `yaml:"running_time,omitempty" jsonschema:"minimum=1ms,maximum=10000s" jsonschema_description:"For how long they may run in each second, on all processors together: 1500ms are one and a half. When it is used up, messages wait until there is time again."`
}

// Logs bound the lines that one source may log in a second. The host drops the rest, and
// logs their number.
type Logs struct {
	LinesPerSecond int  `yaml:"lines_per_second,omitempty" jsonschema:"minimum=1,maximum=1000000,default=1000" jsonschema_description:"How many lines may be logged in a second; more are dropped, which the log says."`
	BytesPerSecond Size `yaml:"bytes_per_second,omitempty" jsonschema:"minimum=1KiB,maximum=1GiB,default=1MiB" jsonschema_description:"How many bytes the lines of a second may have."`
}

// Restart is the policy by which a component or a process is started again after its end.
type Restart struct {
	Policy      string   `yaml:"policy,omitempty" jsonschema:"enum=permanent,enum=transient,enum=temporary,default=transient" jsonschema_description:"permanent: always; transient: after a trap, or the death of a process; temporary: never."`
	MaxRestarts int      `yaml:"max_restarts,omitempty" jsonschema:"minimum=-1,maximum=1000000,default=5" jsonschema_description:"How many restarts are granted within the window; one more and it has failed until cool_down is over. -1 is without a limit."`
	Within      Duration `yaml:"within,omitempty" jsonschema:"minimum=1ms,maximum=24h,default=30s" jsonschema_description:"The window in which restarts are counted."`
	Backoff     Duration `yaml:"backoff,omitempty" jsonschema:"minimum=1ms,maximum=24h,default=100ms" jsonschema_description:"The pause before the second restart in a row; it doubles with each further one."`
	MaxBackoff  Duration `yaml:"max_backoff,omitempty" jsonschema:"minimum=1ms,maximum=24h,default=10s" jsonschema_description:"The longest pause."`
	CoolDown    Duration `yaml:"cool_down,omitempty" jsonschema:"minimum=1ms,maximum=24h,default=5m" jsonschema_description:"The time after a failure until one more start is tried."`
	MaxDeliver  int      `yaml:"max_deliver,omitempty" jsonschema:"minimum=1,maximum=1000,default=5" jsonschema_description:"With delivery: durable, how often a message is delivered if the instance ends on it each time; then it is a dead letter."`
}
