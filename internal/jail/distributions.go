package jail

import (
	"encoding/json"
	"fmt"
	"os/exec"
)

// maxDistributions are told of at most: workers repeat what they say of themselves every few seconds.
const maxDistributions = 500

// Distributions are what scripts can import beside the standard library, with their versions. It asks the interpreter, outside a jail
// and on no input at all; what has no readable name and version is left out.
func (p *Pool) Distributions() (map[string]string, error) {
	const question = `import json, sys
from importlib import metadata
found = {}
for d in metadata.distributions():
    try:
        name, version = d.metadata["Name"][:100], d.version[:100]
    except Exception:
        continue
    found.setdefault(name, version)
print(json.dumps({name: found[name] for name in sorted(found, key=str.lower)[:int(sys.argv[1])]}))`
	out, err := exec.Command(p.config.Python, "-I", "-c", question, fmt.Sprint(maxDistributions)).Output()
	if err != nil {
		return nil, fmt.Errorf("list what is installed for %s: %w", p.config.Python, err)
	}
	var found map[string]string
	if err := json.Unmarshal(out, &found); err != nil {
		return nil, fmt.Errorf("list what is installed for %s: %w", p.config.Python, err)
	}
	return found, nil
}
