package e2e

import (
	"net/http"
	"testing"
)

// testContract sends the public contract's own requests as they stand there.
func testContract(t *testing.T, c *client) {
	for _, e := range []struct{ name, body, result, stdout string }{
		{
			"basic", `{
    "script": "def main():\n    return {\"message\": \"Hello from Python!\"}"
  }`, `{"message":"Hello from Python!"}`, "",
		},
		{
			"pandas and numpy", `{
    "script": "import pandas as pd\nimport numpy as np\n\ndef main():\n    df = pd.DataFrame({\"A\": [1, 2, 3], \"B\": [4, 5, 6]})\n    print(\"DataFrame created\")\n    return {\"sum\": df.sum().to_dict(), \"mean\": df.mean().to_dict()}"
  }`, `{"sum":{"A":6,"B":15},"mean":{"A":2.0,"B":5.0}}`, "DataFrame created\n",
		},
		{
			"calculation", `{
    "script": "import numpy as np\n\ndef main():\n    numbers = [1, 2, 3, 4, 5]\n    print(f\"Processing {len(numbers)} numbers\")\n    return {\"sum\": sum(numbers), \"mean\": np.mean(numbers), \"std\": np.std(numbers)}"
  }`, `{"sum":15,"mean":3.0,"std":1.4142135623730951}`, "Processing 5 numbers\n",
		},
		{
			"local", `{
    "script": "def main():\n    return {\"status\": \"success\"}"
  }`, `{"status":"success"}`, "",
		},
	} {
		t.Run(e.name, func(t *testing.T) {
			needsLibraries(t, e.body)
			result, stdout := c.do(t, http.MethodPost, "/execute", "application/json", []byte(e.body)).succeeded(t)
			if result != e.result || stdout != e.stdout {
				t.Errorf("got %s and %q, want %s and %q", result, stdout, e.result, e.stdout)
			}
		})
	}
	t.Run("health", func(t *testing.T) {
		a := c.do(t, http.MethodGet, "/health", "", nil)
		var health map[string]string
		if a.decode(t, &health); a.status != http.StatusOK || len(health) != 1 || health["status"] != "healthy" {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
}
