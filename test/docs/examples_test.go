package docs

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// example is a command and the answer that a document shows for it: a block of sh, and right after it one of json, http or text.
type example struct {
	line    int // of the command, in the document
	command string
	kind    string // of the answer
	answer  string
	env     string // of the standalone that is asked
}

var (
	fence  = regexp.MustCompile("^```(\\w*)$")
	served = regexp.MustCompile(`^<!-- served with (.+) -->$`)
)

// examples reads a document. A comment such as <!-- served with JOB_TIMEOUT=1s --> counts until the next heading. Every block of sh
// must have an answer: what is not to be run is an indented block.
func examples(document string) ([]example, error) {
	var found []example
	var command *example // whose answer may come next
	env := ""
	lines := strings.Split(document, "\n")
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		start := fence.FindStringSubmatch(line)
		if start == nil {
			if command != nil && line != "" {
				return nil, fmt.Errorf("line %d: a block of sh without an answer; indent it if it is not to be run", command.line)
			}
			if m := served.FindStringSubmatch(line); m != nil {
				env = m[1]
			} else if strings.HasPrefix(line, "#") {
				env = ""
			}
			continue
		}
		body := []string{}
		begin := i + 1
		for i++; i < len(lines) && lines[i] != "```"; i++ {
			body = append(body, lines[i])
		}
		if i == len(lines) {
			return nil, fmt.Errorf("line %d: a block without an end", begin)
		}
		text := strings.Join(body, "\n") + "\n"
		switch kind := start[1]; {
		case kind == "sh" && command == nil:
			command = &example{line: begin + 1, command: text, env: env}
		case command != nil && (kind == "json" || kind == "http" || kind == "text"):
			command.kind, command.answer = kind, text
			found = append(found, *command)
			command = nil
		case command != nil:
			return nil, fmt.Errorf("line %d: a block of sh without an answer; indent it if it is not to be run", command.line)
		}
	}
	return found, nil
}

func TestExamplesAreFound(t *testing.T) {
	document := "# A\n\n<!-- served with A=1 B=2 -->\n```sh\ncurl one\n```\n```json\n{}\n```\n\n    not run\n\n```python\nx\n```\n## B\n```sh\ntwo\n```\n\n```text\n2\n```\n"
	got, err := examples(document)
	if err != nil {
		t.Fatal(err)
	}
	want := []example{
		{line: 5, command: "curl one\n", kind: "json", answer: "{}\n", env: "A=1 B=2"},
		{line: 18, command: "two\n", kind: "text", answer: "2\n"},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for _, wrong := range []string{"```sh\ncurl\n```\nno answer\n", "```sh\ncurl\n```\n```python\nx\n```\n", "```sh\n"} {
		if _, err := examples(wrong); err == nil {
			t.Errorf("no error for %q", wrong)
		}
	}
}
