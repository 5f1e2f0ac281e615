// Package core holds the terms that all parts of airhost share, and the interfaces
// behind which the parts can be exchanged. It imports only the standard library.
// wit/airhost.wit fixes the guest's side of the same contract.
//
// There are two message patterns: fire-and-forget, and request-response. The outcome
// of a request is its response, or the reason why there is none.
//
// # For programs that embed a host
//
// A program works with package core/host. It meets these types of core:
//
//   - id.go: a [ComponentID] names a component, an [IDPattern] stands for a set of
//     ids.
//   - topic.go: a [Topic] names a subject of messages, a [TopicPattern] stands for a set
//     of topics.
//   - source.go: a [Source] holds a guest's code, a [ConfigPair] is an entry of its
//     configuration.
//   - limits.go: [Limits] bound the resources of a component.
//   - restart.go: [Restart] says when a host starts an ended instance again.
//   - levels.go: [HealthStatus] and [LogLevel].
//   - errors.go: [MessagingError] if a message was refused, [ModuleError] and
//     [LimitError] if an engine refuses code, [TrapError] if an instance ended.
//   - request_error.go: [RequestError] if a request ended without a response.
//
// # For authors of engines, brokers and trackers
//
// Everything above, and:
//
//   - message.go: a [Message], and the [Origin] that its outcome goes to.
//   - engine.go: an [Engine] compiles code to a [Component], which makes an
//     [Instance]. The instance calls its host by [Services].
//   - state.go: a [StateKeeper] hands its guest's state over to another version.
//   - turner.go: the guest of a [Turner] sends while the host calls nothing of it.
//   - sizer.go: a [Sizer] tells how much memory its guest has.
//   - timers.go: [Timers] of the host, and a [TimerID].
//   - functions.go: [Functions] of the host, and the [CallError] of one.
//   - keyvalue.go: [KeyValue] with its buckets, and the [KeyValueError] of one.
//   - settings.go: [Settings] of a component, and the [SettingsError] of one.
//   - http.go: [HTTP] of the host, and the [HTTPError] of a request.
//   - files.go: [Files] of the host, the [FileCall] of one, and its [FileError].
//   - httprule.go: an [HTTPRule] grants requests to some URLs, in the form of an [HTTPTarget].
//   - publisher.go: the [Publisher] of the host sends messages to all that have subscribed.
//   - ledger.go: by a [Ledger] an engine acts for its host, and accounts for it later.
//   - limitset.go: a [LimitSet] names the limits that an engine enforces.
//   - broker.go: a [Broker] takes messages to the host that has their target.
//   - topiccarrier.go: a [TopicCarrier] takes publications to other hosts, for the [TopicHome] there.
//   - cluster.go: a [Clustered] broker tells of the other hosts.
//   - durable.go: a [DurableBroker] keeps messages until they have been handled, and their
//     [Keeper] is told so.
//   - mover.go: a [Mover] is a broker on which components move from host to host.
//   - moving.go: [Moving] is all that a component takes along.
//   - tracker.go: a [Tracker] remembers requests until they end, and tells their
//     [Waiter] if that is by timeout.
//
// Some optional interfaces let a part do more: [Batcher], [StateKeeper],
// [Turner] and [Sizer] for an instance, [Carrier], [TopicCarrier], [Clustered],
// [DurableBroker] and [Mover] for a broker, [Reserver] for a tracker. Packages enginetest, brokertest and
// trackertest test a part against its contract.
//
// Hosts and parts also share these tools:
//
//   - text.go: [CutText] bounds a text that comes from elsewhere.
//   - redactor.go: a [Redactor] replaces secrets in texts and in logs.
//   - redactorlog.go: its handler of logs.
//   - logquota.go: a [LogQuota] bounds the log lines of a component or process.
//   - clock.go: a [Clock] that is cheap to read.
//   - backoff.go: [Restarts] keeps to a [Restart].
package core
