package nats

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"testing"

	"github.com/airhost/airhost/core"
)

// TestAnswersTogether: all answers to one question together are bounded, and so is each.
func TestAnswersTogether(t *testing.T) {
	a := &asking{left: 100, room: maxAnswers, came: map[string]core.HostAnswer{}, ended: make(chan struct{})}
	large := make([]byte, maxAnswer)
	for i := range 100 {
		q := &asked{core.HostInfo{Name: fmt.Sprint(i)}, a}
		want := maxAnswer
		if i >= maxAnswers/maxAnswer {
			want = 0
		}
		if q.most() != want {
			t.Fatalf("answer %d has room for %d bytes, want %d", i, q.most(), want)
		}
		q.ended(large[:want], nil)
	}
	<-a.ended
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	fmt.Fprintf(w, `{"version":1,"host":"a","state":"%s"}`, strings.Repeat("x", 2*minAnswer))
	_ = w.Close() // into memory
	for most, fits := range map[int]bool{0: false, minAnswer: false, 2 * minAnswer: true} {
		if _, err := readAnswer(packed.Bytes(), "a", most); (err == nil) != fits || err != nil && !strings.Contains(err.Error(), "more than") {
			t.Errorf("with room for %d bytes: %v", most, err)
		}
	}
}
