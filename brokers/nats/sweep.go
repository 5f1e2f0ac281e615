package nats

// sweep says when a map is swept of entries that nobody uses: when it has twice as many as the last
// sweep has left, so that each entry is looked at twice at most on average, however many are used.
type sweep struct{ at int }

// due reports whether a map with n entries is to be swept. A map with fewer than least is not.
func (s *sweep) due(n, least int) bool { return n >= max(s.at, least) }

// done notes that a sweep has left n entries.
func (s *sweep) done(n int) { s.at = 2 * n }
