package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// scenario is a script and the one right answer to it.
type scenario struct {
	name   string
	script string
	result string
	stdout string
	// most bounds the jobs of one turn, where each of them fills Redis; 0 does not.
	most int
}

var scenarios = []*scenario{
	{
		name:   "hello",
		script: "def main():\n    return {'message': 'Hello, World!'}\n",
		result: `{"message":"Hello, World!"}`,
	},
	{
		name: "numpy",
		script: `import numpy as np

def main():
    numbers = [1, 2, 3, 4, 5]
    print(f"Processing {len(numbers)} numbers")
    return {"sum": sum(numbers), "mean": np.mean(numbers), "std": np.std(numbers)}
`,
		result: `{"sum":15,"mean":3.0,"std":1.4142135623730951}`,
		stdout: "Processing 5 numbers\n",
	},
	{
		name: "pandas",
		script: `import pandas as pd
import numpy as np

def main():
    df = pd.DataFrame({"A": [1, 2, 3], "B": [4, 5, 6]})
    print("DataFrame created")
    return {"sum": df.sum().to_dict(), "mean": df.mean().to_dict()}
`,
		result: `{"sum":{"A":6,"B":15},"mean":{"A":2.0,"B":5.0}}`,
		stdout: "DataFrame created\n",
	},
	{
		name:   "stdout",
		script: "def main():\n    print('x' * (2**20 - 1))\n",
		result: "null",
		stdout: strings.Repeat("x", 1<<20-1) + "\n",
		most:   150,
	},
	{
		name:   "lines",
		script: "def main():\n    for i in range(2**14):\n        print('x' * 63)\n",
		result: "null",
		stdout: strings.Repeat(strings.Repeat("x", 63)+"\n", 1<<14),
		most:   150,
	},
	{
		name:   "cpu",
		script: "def main():\n    return sum(i * i for i in range(1_000_000))\n",
		result: "333332833333500000",
	},
}

func scenarioNames() []string {
	var names []string
	for _, s := range scenarios {
		names = append(names, s.name)
	}
	return names
}

func findScenario(name string) *scenario {
	for _, s := range scenarios {
		if s.name == name {
			return s
		}
	}
	return nil
}

// check compares one answer with the right one.
func (s *scenario) check(result json.RawMessage, stdout string) error {
	var compact bytes.Buffer
	if err := json.Compact(&compact, result); err != nil {
		return fmt.Errorf("result %s: %w", clip(string(result)), err)
	}
	if compact.String() != s.result {
		return fmt.Errorf("result %s, want %s", clip(compact.String()), s.result)
	}
	if stdout != s.stdout {
		return fmt.Errorf("stdout of %d bytes %q, want %d bytes %q", len(stdout), clip(stdout), len(s.stdout), clip(s.stdout))
	}
	return nil
}

func clip(text string) string {
	if len(text) > 200 {
		return text[:200] + "..."
	}
	return text
}
