// Command redis-broker joins hosts of airhost by Redis streams:
//
//	host:
//	  broker:
//	    plugin: ./redis-broker
//	    args: [--limit, "10000"]
//	    env: {REDIS_URL: "redis://localhost:6379/0"}
//	    restart: {policy: permanent, max_restarts: -1}
//
// Each component has a stream, of which all hosts that have the component are
// consumers of one group: a message goes to one of them. A host that dies leaves
// its components' streams behind; what comes for them waits there until the host
// is back, for as long as --keep says.
//
// Messages are handled at most once: they are acknowledged and removed from the
// stream before they are handed over, and no command is sent twice. While Redis
// cannot be reached, messages are refused with unavailable.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/airhost/airhost/plugin"
)

func main() {
	prefix := flag.String("prefix", "airhost:", "what the names of streams begin with: hosts with another one do not meet")
	limit := flag.Int("limit", 10_000, "how many messages wait in a stream until more are refused with queue-full")
	keep := flag.Duration("keep", 10*time.Minute, "how long a stream lasts that no host reads, 10s or more")
	flag.Parse()
	log.SetFlags(0) // the host adds the time
	options, err := redis.ParseURL(os.Getenv("REDIS_URL"))
	if err != nil || *limit < 1 || *keep < 10*time.Second {
		fmt.Fprintln(os.Stderr, "redis-broker: want a limit of 1 or more, to keep streams for 10s or more, and REDIS_URL in the environment, such as redis://localhost:6379/0:", err)
		os.Exit(2)
	}
	plugin.ServeBroker(newBroker(options, *prefix, *limit, *keep))
}
