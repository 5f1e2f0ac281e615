package probe

import (
	"fmt"
	"runtime"
	"strings"

	"github.com/airhost/airhost/guest"
)

// askBucket obeys "bucket NAME operation key value", and returns the outcome as a text.
func askBucket(host guest.Host, word, rest string) (text string, ok bool) {
	if word != "bucket" {
		return "", false
	}
	arguments := append(strings.Split(rest, " "), "", "", "")
	b, err := guest.OpenBucket(host, arguments[0])
	if err != nil {
		return errorText(err), true
	}
	defer runtime.GC() // values and keys are the component's
	return useBucket(b, arguments[1], arguments[2], arguments[3]), true
}

func errorText(err error) string {
	if e, ok := err.(*guest.KeyValueError); ok && e.Case != guest.KeyValueOther {
		return e.Case.String() // the text is that of other alone
	}
	return fmt.Sprint(err)
}

func useBucket(b guest.Bucket, operation, key, value string) string {
	var result any
	var err error
	switch operation {
	case "get":
		var got []byte
		var found bool
		got, found, err = b.Get(key)
		result = fmt.Sprintf("%q %v", got, found)
	case "has":
		result, err = b.Has(key)
	case "set":
		err = b.Set(key, []byte(value))
	case "delete":
		err = b.Delete(key)
	case "keys":
		var keys []string
		var next string
		keys, next, err = b.Keys(key)
		result = fmt.Sprintf("%q %q", keys, next)
	case "increment":
		result, err = b.Increment(key, int64(len(value)-2))
	case "update":
		err = b.Update(key, func(old []byte, found bool) ([]byte, error) {
			if value == "fail" {
				return nil, guest.Failed("no")
			}
			if value == "race" && string(old) != "other" {
				if err := b.Set(key, []byte("other")); err != nil {
					return nil, err
				}
			}
			return fmt.Appendf(nil, "%s+%s %v", old, value, found), nil
		})
	}
	if err != nil {
		return errorText(err)
	}
	return fmt.Sprint(result)
}
