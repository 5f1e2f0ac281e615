package brokertest

// promises lists the promises of [core.Broker] and [core.Receiver], one case for each.
var promises = []promise{
	{"arrives", "a message handed to a target's route reaches the target's Receiver once and unchanged", everyBroker, arrives},
	{"right-target", "a route never misdelivers", everyBroker, apart},
	{"order", "messages from one sender to one target are delivered in the order in which they were handed to the route", everyBroker, inOrder},
	{"answers", "the outcome that a receiver hands to a request's Origin comes to the request's host", everyBroker, answers},
	{"attached-once", "an id that is attached already is an error", everyBroker, attachedOnce},
	{"detach-unknown", "an id that is not attached is ignored by Detach", everyBroker, detachUnknown},
	{"detach-undoes", "Detach undoes Attach", everyBroker, detachUndoes},
	{"unknown-target", "Route refuses with target-not-found if no host has the target", everyBroker, unknownTarget},
	{"stale-route", "a route that has become stale refuses with target-not-found", everyBroker, staleRoute},
	{"very-receiver", "Route returns the attached Receiver itself", directBroker, veryReceiver},
	{"refusal-told", "a message that the receiver refuses is refused by Deliver, or goes to Undelivered with the receiver's reason", everyBroker, refusalTold},
	{"refused-unchanged", "with an error the caller still owns the message and nothing has happened", everyBroker, refusedUnchanged},
	{"left-alone", "with a nil error the receiver owns the message", everyBroker, leftAlone},
	{"never-blocks", "Deliver never blocks", holdingBroker, neverBlocks},
	{"detach-leftovers", "messages that the broker has accepted and not yet delivered go to Undelivered after Detach", holdingBroker, detachLeftovers},
	{"close-leftovers", "messages that were accepted and not yet delivered go to Undelivered before Close returns", holdingBroker, closeLeftovers},
	{"close-ctx", "Close waits for the broker's goroutines until ctx ends", holdingBroker, closeHeldUp},
	{"closed-methods", "after Close every other method returns ErrClosed", everyBroker, closedRefuses},
	{"closed-routes", "after Close every route refuses with unavailable", holdingBroker, closedRoutes},
	{"exactly-once", "an accepted message is delivered or undelivered, once, also during Detach and Close", everyBroker, exactlyOnce},
	{"any-goroutine", "all methods may be called from any goroutine", everyBroker, anyGoroutine},
	{"no-goroutine-left", "Close waits for the broker's goroutines", everyBroker, noGoroutineLeft},
}
