package jobs

import (
	"bytes"
	"encoding/json"
)

// encode is json.Marshal without its escapes for HTML: arguments and results cross Redis byte for byte, and a page of markup
// does not grow by half.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
