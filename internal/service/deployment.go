package service

import (
	"time"

	"github.com/airhost/airhost/backends/process"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/internal/config"
)

// hostConfig is the configuration of the host in core/host's terms; the log is the
// program's.
func hostConfig(file *config.File) host.Config {
	h := file.Host
	c := host.Config{
		Workers:        h.Workers,
		HeldUpWorkers:  h.HeldUpWorkers,
		RequestTimeout: time.Duration(h.RequestTimeout),
		DrainTimeout:   time.Duration(h.DrainTimeout),
		DeadLetters:    h.DeadLetters,
		Budgets:        budgets(file.Budgets),
	}
	for name, f := range file.Functions {
		if c.FunctionOptions == nil {
			c.FunctionOptions = make(map[string]host.FunctionOptions)
		}
		c.FunctionOptions[name.String()] = host.FunctionOptions{Component: f.Component, Timeout: time.Duration(f.Timeout), MaxConcurrent: f.MaxConcurrent}
	}
	for name, b := range file.KeyValue.Buckets {
		if c.Buckets == nil {
			c.Buckets = make(map[string]host.BucketQuota)
		}
		c.Buckets[name] = host.BucketQuota{Bytes: int64(b.Bytes), Keys: int64(b.Keys)}
	}
	return c
}

func budgets(given map[string]config.Budget) map[string]host.Budget {
	all := make(map[string]host.Budget, len(given))
	for namespace, b := range given {
		all[namespace] = host.Budget{
			Memory:            int64(b.Memory),
			MessagesPerSecond: b.MessagesPerSecond,
			Burst:             b.Burst,
			RunningTime:       time.Duration(b.RunningTime),
		}
	}
	return all
}

func deployment(c config.Component) host.Deployment {
	return host.Deployment{
		ID:             c.ID,
		Engine:         c.Engine,
		Config:         c.Config,
		Secrets:        secrets(c.Secrets),
		Env:            c.Env,
		Args:           c.Args,
		Capabilities:   host.Capabilities{Send: c.Capabilities.Send, Request: c.Capabilities.Request, Call: c.Capabilities.Call, Publish: c.Capabilities.Publish, KeyValue: c.Capabilities.KeyValue, HTTP: c.HTTPRules(), Files: directories(c.Capabilities.Files)},
		Subscribe:      subscriptions(c.Subscribe),
		Limits:         Limits(c),
		HealthInterval: time.Duration(c.HealthInterval),
		Instances:      int(c.Instances),
		Spread:         host.Spread(c.Spread),
		Delivery:       host.Delivery(c.Delivery),
		Required:       c.Required,
		Quota: host.Quota{
			MessagesPerSecond: c.Quota.MessagesPerSecond,
			Burst:             c.Quota.Burst,
			PendingRequests:   c.Quota.PendingRequests,
			Files:             host.FileQuota{Bytes: int64(c.Quota.FilesBytes), Files: int64(c.Quota.Files)},
			Bucket:            host.BucketQuota{Bytes: int64(c.Quota.KeyValueBytes), Keys: int64(c.Quota.KeyValueKeys)},
			HTTPRequests:      c.Quota.HTTPRequests,
		},
		Accept:  host.Accept{MessagesPerSecond: c.Accept.MessagesPerSecond, Burst: c.Accept.Burst},
		Restart: restart(c.Restart),
	}
}

func directories(given []config.Directory) (all []host.FileGrant) {
	for _, d := range given {
		all = append(all, host.FileGrant{Path: d.Path, As: string(d.As), Write: d.Mode == config.ModeReadWrite})
	}
	return all
}

func subscriptions(given []config.Subscription) (all []host.Subscription) {
	for _, s := range given {
		all = append(all, host.Subscription{Topic: s.Topic, Queue: string(s.Queue)})
	}
	return all
}

func restart(r config.Restart) core.Restart {
	return core.Restart{
		Policy:      core.RestartPolicy(r.Policy),
		MaxRestarts: r.MaxRestarts,
		Within:      time.Duration(r.Within),
		Backoff:     time.Duration(r.Backoff),
		MaxBackoff:  time.Duration(r.MaxBackoff),
		CoolDown:    time.Duration(r.CoolDown),
		MaxDeliver:  r.MaxDeliver,
	}
}

// Limits are the limits of a component in core's terms.
func Limits(c config.Component) core.Limits {
	return core.Limits{
		Memory:        int64(c.Limits.Memory),
		TableElements: c.Limits.TableElements,
		Nesting:       c.Limits.Nesting,
		Stack:         int64(c.Limits.Stack),
		HandlerTime:   time.Duration(c.Limits.HandlerTime),
		StartTime:     time.Duration(c.Limits.StartTime),
		Fuel:          c.Limits.Fuel,

		HandlerWallTime: time.Duration(c.Limits.HandlerWallTime),
		Mailbox:         c.Limits.Mailbox,
		MailboxBytes:    int64(c.Limits.MailboxBytes),
		Timers:          c.Limits.Timers,
		MessageSize:     int(c.Quota.MessageSize),
		LogLines:        c.Logs.LinesPerSecond,
		LogBytes:        int64(c.Logs.BytesPerSecond),
	}
}

// Source is the source of component i's guest.
func Source(file *config.File, i int) core.Source {
	c := &file.Components[i]
	if c.Engine != process.Name {
		return core.Source{Path: c.Source, SHA256: c.SHA256}
	}
	p := &c.Process
	src := process.Source(process.Command{
		Path: c.Source, Args: p.Args, Env: environment(c.Env),
		Limits: process.Limits{Memory: int64(p.Memory), OpenFiles: p.OpenFiles, CPUTime: time.Duration(p.CPUTime)},
	})
	src.SHA256 = c.SHA256
	return src
}

// environment is the environment of a process.
func environment(given config.Pairs) []string {
	var env []string
	for _, variable := range given {
		env = append(env, variable.Key+"="+variable.Value)
	}
	return env
}
