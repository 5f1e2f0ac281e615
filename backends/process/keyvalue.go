package process

import (
	"github.com/airhost/airhost/core"
	pluginv1 "github.com/airhost/airhost/proto/airhost/plugin/v1"
)

// maxBuckets is how many buckets of a process are kept open. Others are opened again for each
// call.
const maxBuckets = 64

// useBucket calls a bucket for the process.
func (i *instance) useBucket(m *pluginv1.KeyValue) *pluginv1.KeyValueAnswer {
	answer := &pluginv1.KeyValueAnswer{}
	b, err := i.bucket(m.Bucket)
	if err == nil {
		err = callBucket(b, m, answer)
	}
	if err != nil {
		e := core.AsKeyValueError(err)
		return &pluginv1.KeyValueAnswer{Error: &pluginv1.KeyValueError{Case: pluginv1.KeyValueError_Case(e.Case), Text: validText(e.Text)}}
	}
	return answer
}

// bucket returns a bucket that the process has opened before, or opens it.
func (i *instance) bucket(name string) (core.Bucket, error) {
	if b := i.buckets[name]; b != nil {
		return b, nil
	}
	b, err := i.keyValue.OpenBucket(name)
	if err == nil && len(i.buckets) < maxBuckets {
		if i.buckets == nil {
			i.buckets = make(map[string]core.Bucket)
		}
		i.buckets[name] = b
	}
	return b, err
}

var errOperation = &core.KeyValueError{Case: core.KeyValueOther, Text: "the host does not know the operation"}

func callBucket(b core.Bucket, m *pluginv1.KeyValue, answer *pluginv1.KeyValueAnswer) (err error) {
	switch m.Operation {
	case pluginv1.KeyValue_OPERATION_OPEN:
	case pluginv1.KeyValue_OPERATION_GET:
		var v core.Value
		v, err = b.Get(m.Key)
		answer.Value, answer.Version = v.Data, v.Version
	case pluginv1.KeyValue_OPERATION_HAS:
		answer.Yes, err = b.Has(m.Key)
	case pluginv1.KeyValue_OPERATION_SET:
		err = b.Set(m.Key, m.Value)
	case pluginv1.KeyValue_OPERATION_DELETE:
		err = b.Delete(m.Key)
	case pluginv1.KeyValue_OPERATION_KEYS:
		answer.Keys, answer.Yes, err = b.Keys(m.Key)
	case pluginv1.KeyValue_OPERATION_INCREMENT:
		answer.Sum, err = b.Increment(m.Key, m.Delta)
	case pluginv1.KeyValue_OPERATION_SWAP:
		answer.Yes, err = b.Swap(m.Key, m.Version, m.Value)
	default:
		err = errOperation
	}
	return err
}
