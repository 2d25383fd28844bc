// Package jsondepth says how deep JSON nests, for those who bound that before they decode it: what decodes recursively may run out of
// stack.
package jsondepth

// Of is how deep the arrays and objects of a text nest, which is valid JSON.
func Of(text []byte) int {
	deepest, now, inString := 0, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			now++
			deepest = max(deepest, now)
		case c == '}' || c == ']':
			now--
		}
	}
	return deepest
}
