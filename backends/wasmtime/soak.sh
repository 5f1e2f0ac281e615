#!/bin/sh
# Runs this package's tests, and random scripts on both engines for as long as $1
# says (1m without it), with AddressSanitizer watching guest.c: reads and writes
# beyond C's memory, what is used after it was freed, and, at the end, what was
# not freed. It takes gcc's or clang's sanitizer, and builds for some minutes.
#
# Valgrind does not serve: Go moves its stacks, of which memcheck takes what it
# reads there for uninitialized, in a thousand places; and built with -tags
# valgrind, memcheck 3.19 itself fails as it looks for leaks among Go's objects.
set -eu
cd "$(dirname "$0")"
AIRHOST_SOAK=${1:-1m} exec "${GO:-go}" test -asan -count=1 -timeout 0 .
