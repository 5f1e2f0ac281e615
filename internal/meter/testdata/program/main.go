// Program is what a guest might do: it compresses, hashes, sorts and encodes as
// many rounds as its argument says.
package main

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strconv"
)

type record struct {
	Name  string
	Score float64
	Tags  map[string]int
}

func main() {
	rounds, _ := strconv.Atoi(os.Args[1])
	sum := sha256.New()
	for i := range rounds {
		text, err := json.Marshal(records(i))
		if err != nil {
			panic(err)
		}
		var back []record
		if err := json.Unmarshal(text, &back); err != nil {
			panic(err)
		}
		sort.Slice(back, func(i, j int) bool { return back[i].Score < back[j].Score })
		var packed bytes.Buffer
		w, _ := flate.NewWriter(&packed, 6)
		w.Write(text)
		w.Close()
		fmt.Fprint(sum, back[0].Name, packed.Len())
		sum.Write(packed.Bytes())
	}
	fmt.Printf("%x\n", sum.Sum(nil))
	defer func() { fmt.Println("recovered", recover()) }()
	panic("on purpose")
}

func records(seed int) []record {
	out := make([]record, 200)
	for i := range out {
		n := (i + seed) * 2654435761 % 1_000_003
		out[i] = record{fmt.Sprint("record ", n), float64(n) / 7, map[string]int{"a": n % 10, "b": n % 100}}
	}
	return out
}
