#!/bin/sh
# Runs this package's tests with AddressSanitizer, and among them random scripts on both
# engines for the duration $1, by default 1m. The sanitizer finds reads and writes beyond
# guest.c's memory, uses of freed memory and, at the end, memory that was not freed. It is
# gcc's or clang's, and the build takes some minutes.
#
# Valgrind does not work: Go moves its stacks, and memcheck takes a thousand reads there
# for uninitialized; and with -tags valgrind, memcheck 3.19 itself fails as it looks for
# leaks among Go's objects.
set -eu
cd "$(dirname "$0")"
AIRHOST_SOAK=${1:-1m} exec "${GO:-go}" test -asan -count=1 -timeout 0 .
