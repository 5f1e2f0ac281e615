package hostile

import (
	"fmt"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
)

// topics returns attacks by publications.
func topics() []Attack {
	flood := Attack{Name: "publications on ever more topics", Bound: byRate, Message: number('u', 1e9), End: Answered,
		Check: refusedWith(core.CaseQuotaExceeded), Tune: publishes}
	storm := Attack{Name: "publications to itself, each of which makes two", Bound: byRate, Message: []byte("p"), By: BySend, End: GoesOn,
		Tune: func(d *host.Deployment) {
			publishes(d)
			d.Subscribe = []host.Subscription{{Topic: core.MustTopicPattern(">")}}
		}}
	return of("topics",
		Attack{Name: "1,000 topics that it may not publish on", Bound: "capabilities.publish", Message: number('U', 1000), End: Answered, Check: nonePublished},
		flood,
		storm,
		inGuest("all of its memory as a topic, for ever", 'c', 'U'),
		inGuest("all of its memory as a publication, for ever", 'c', 'V'),
		violation("a topic out of range", "", "vH"),
		violation("a topic that is not UTF-8", "", "vI"),
		violation("a publication out of range", "", "vK"),
		violation("an area for an answer out of range", "", "vL"),
		violation("a misaligned area for an answer to a publication", "", "vM"),
		violation("a publication from cabi_realloc", "aRU", "e hello"),
		violation("a publication from a post-return", "", "apU"),
	)
}

// publishes grants all topics.
func publishes(d *host.Deployment) {
	d.Capabilities.Publish = []core.TopicPattern{core.MustTopicPattern(">")}
}

// nonePublished checks that each topic was denied, or is none.
func nonePublished(c Counts) error {
	denied, invalid := c[1+core.CaseCapabilityDenied], c[1+core.CaseInvalidArgument]
	if c[0] != 0 || denied == 0 || denied+invalid != 1000 {
		return fmt.Errorf("%d publications were taken, %d were denied, %d had wrong topics", c[0], denied, invalid)
	}
	return nil
}
