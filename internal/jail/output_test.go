package jail

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// Whatever pieces a text comes in, and however it is read meanwhile, what is read is together what the outcome says.
func TestOutputInPieces(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	pieces := [][]byte{[]byte("a"), []byte("é"), []byte("€"), []byte("😀"), {0xff}, {0xff, 0xfe}, {0xe2, 0x82}, {0xf0, 0x9f, 0x98}, []byte("\n"), []byte("long text")}
	for range 500 {
		var all []byte
		for range random.IntN(30) {
			all = append(all, pieces[random.IntN(len(pieces))]...)
		}
		r := &reader{}
		o := &Output{stdout: r, stderr: &reader{}, changed: make(chan struct{}, 1)}
		var got []byte
		from := 0
		read := func() {
			text, n := o.Stdout(from)
			got, from = append(got, text...), from+n
		}
		for rest := all; len(rest) > 0; {
			n := 1 + random.IntN(len(rest))
			r.add(rest[:n], 1<<20)
			rest = rest[n:]
			if random.IntN(2) == 0 {
				read()
			}
		}
		read()
		want := r.stream().Text
		if !bytes.HasPrefix([]byte(want), got) {
			t.Fatalf("%q is read as %q, which is not the beginning of %q", all, got, want)
		}
		// What is missing is what could have become something else with more behind it.
		if rest := all[from:]; wholeText(rest) != 0 {
			t.Fatalf("%q of %q has not been read", rest, all)
		}
	}
}

func TestOutputTellsOfChanges(t *testing.T) {
	o := &Output{stdout: &reader{}, stderr: &reader{}, changed: make(chan struct{}, 1)}
	o.stdout.add([]byte("before"), 100)
	if len(o.changed) != 0 {
		t.Error("told though nobody watches")
	}
	changed := o.Watch()
	<-changed
	o.stderr.add([]byte("x"), 100)
	<-changed
	if text, n := o.Stderr(0); text != "x" || n != 1 {
		t.Errorf("%q, %d", text, n)
	}
}
