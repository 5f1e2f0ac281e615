package trackertest

// promises lists the promises of [core.Tracker] and [core.Waiter], one case for each.
var promises = []promise{
	{"timeout-range", "a timeout is above 0 and at most MaxTimeout, anything else an invalid argument", fakeTime, rangeOfTimeouts},
	{"resolve", "Resolve removes a pending request and returns its waiter; a second time it returns false", anyTime, resolveOnce},
	{"cancel", "Cancel removes a pending request of the waiter; another waiter's changes nothing", anyTime, cancelOwn},
	{"remove", "Remove removes all pending requests of a waiter, and no other, and returns their ids", fakeTime, removeOwn},
	{"made-up-ids", "an id that is not pending, or was never given, returns false", anyTime, madeUp},
	{"ids-not-reused", "an id is never reused while its request is pending", anyTime, neverReused},
	{"late-answers", "a late response is dropped: the id of a request that has ended does not soon become another's", fakeTime, lateAnswers},
	{"is-pending", "IsPending reports whether a request is pending", anyTime, tells},
	{"pending", "Pending returns the number of pending requests", fakeTime, counts},
	{"never-early", "a request never expires before its timeout has passed", fakeTime, neverEarly},
	{"at-most-2ms-late", "a request expires at most 2 ms after its timeout has passed", fakeTime, soonAfter},
	{"after-rest", "a request expires in time after the tracker had nothing to do", fakeTime, afterRest},
	{"longest-timeout", "a request with the longest timeout stays", fakeTime, longTimeout},
	{"expired-has-left", "Expired is called once, after the request has left the tracker", realTime, expiredHasLeft},
	{"expired-by-timeout", "the reason of a request that waits too long is ErrTimeout", realTime, expiredByTimeout},
	{"expired-calls-back", "Expired may call the tracker", realTime, expiredCallsBack},
	{"no-blocking", "all methods but Close return without blocking, also while Expired is called", realTime, blockedByNobody},
	{"hundred-thousand", "a hundred thousand requests can be pending, and leave once each", fakeTime, aHundredThousand},
	{"exactly-once", "each request leaves the tracker exactly once, also if several goroutines end it", realTime, exactlyOnce},
	{"closed-forgets", "Close stops expiry, and requests that are still pending are forgotten", fakeTime, closedForgets},
	{"closed-refuses", "after Close Register returns ErrClosed", anyTime, closedRefuses},
	{"close-waits", "Close waits for the end of any Expired call", fakeTime, closeWaits},
	{"no-goroutine-left", "no goroutine of the tracker is left after Close", realTime, noGoroutineLeft},
}
