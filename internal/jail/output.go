package jail

import (
	"bytes"
	"unicode/utf8"
)

// Output is what a running job has written so far. It can be read as long as anybody wants, also after the job's end.
type Output struct {
	stdout, stderr *reader
	// changed has a value when one of the two may have grown.
	changed chan struct{}
}

// Watch begins to tell of changes. A job that nobody watches pays for none.
func (o *Output) Watch() <-chan struct{} {
	for _, r := range []*reader{o.stdout, o.stderr} {
		r.mu.Lock()
		r.grown = o.changed
		r.mu.Unlock()
	}
	notify(o.changed) // of what there was before
	return o.changed
}

// Stdout returns the text that stands behind the first from bytes of what was written, and how many bytes it was made of: not those of a
// character that is not whole yet. What is returned piece by piece is together the text that the Outcome has.
func (o *Output) Stdout(from int) (text string, bytes int) { return o.stdout.textFrom(from) }

// Stderr is Stdout of stderr.
func (o *Output) Stderr(from int) (text string, bytes int) { return o.stderr.textFrom(from) }

func (r *reader) textFrom(from int) (string, int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if from >= len(r.kept) {
		return "", 0
	}
	part := r.kept[from:]
	whole := wholeText(part)
	return string(bytes.ToValidUTF8(part[:whole], []byte("\uFFFD"))), whole
}

// wholeText is how much of a text ends with a whole character: what follows may be the beginning of one, or of a run of bytes that are none
// and become one U+FFFD together.
func wholeText(text []byte) int {
	for end := len(text); end > 0; {
		r, size := utf8.DecodeLastRune(text[:end])
		if r != utf8.RuneError || size > 1 {
			return end
		}
		end--
	}
	return 0
}

func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
