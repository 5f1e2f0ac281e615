// Command redis-broker connects hosts of airhost by Redis streams:
//
//	host:
//	  broker:
//	    plugin: ./redis-broker
//	    args: [--limit, "10000"]
//	    env: {REDIS_URL: "redis://localhost:6379/0"}
//	    restart: {policy: permanent, max_restarts: -1}
//
// Each component has a stream. The hosts that have the component are the consumers of
// one group, so that each message goes to one of them. The streams of a host that dies
// stay for the time of --keep, and messages wait in them for the host to come back.
//
// Messages are handled at most once: the broker acknowledges and removes them from the
// stream before it hands them over, and sends no command twice. While it cannot reach
// Redis, it refuses messages with unavailable.
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
