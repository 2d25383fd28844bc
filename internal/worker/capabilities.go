package worker

import (
	"encoding/json"

	"safepy/internal/config"
	"safepy/internal/jail"
)

// capabilities is what a worker says of its jails, in GET /capabilities.
type capabilities struct {
	Backend jail.Backend `json:"backend"`
	// Program is the binary behind the backend.
	Program   jail.Program      `json:"program"`
	Isolation jail.Level        `json:"isolation"`
	Versions  map[string]string `json:"versions"`
	// Distributions are all that scripts can import beside the standard library, and their versions.
	Distributions map[string]string `json:"distributions"`
	// Walls are those that were attacked at the start, promised or not.
	Walls   []wall           `json:"walls"`
	Cgroups jail.Enforcement `json:"cgroups"`
	Limits  limits           `json:"limits"`
	Denied  []string         `json:"denied_names"`
	// ProgramDenied are those of mode program.
	ProgramDenied []string `json:"program_denied_names"`
}

type wall struct {
	Name       string `json:"name"`
	PromisedBy string `json:"promised_by,omitempty"`
	Held       bool   `json:"held"`
}

// limits are a job's where its request does not ask for less.
type limits struct {
	TimeoutMS    int64 `json:"timeout_ms"`
	MemoryMB     int   `json:"memory_mb"`
	DiskMB       int   `json:"disk_mb"`
	Threads      int   `json:"threads"`
	OutputBytes  int   `json:"output_bytes"`
	ResultBytes  int   `json:"result_bytes"`
	Files        int   `json:"files"`
	FilesBytes   int   `json:"files_bytes"`
	Outputs      int   `json:"outputs"`
	OutputsBytes int   `json:"outputs_bytes"`
}

func describe(cfg config.Worker, pool *jail.Pool, proven []jail.Wall) (json.RawMessage, error) {
	installed, err := pool.Distributions()
	if err != nil {
		return nil, err
	}
	program, err := pool.Program()
	if err != nil {
		return nil, err
	}
	c := capabilities{
		Backend: pool.Backend(), Program: program, Isolation: pool.Isolation(), Versions: pool.Versions(), Distributions: installed, Walls: []wall{},
		Cgroups: pool.Enforced(),
		Limits: limits{
			TimeoutMS: cfg.JobTimeout.Milliseconds(), MemoryMB: cfg.JobMemoryMB, DiskMB: cfg.JobDiskMB, Threads: cfg.JobThreads,
			OutputBytes: cfg.JobOutputBytes, ResultBytes: cfg.JobResultBytes, Files: cfg.JobFiles, FilesBytes: cfg.JobFilesBytes,
			Outputs: cfg.JobOutputs, OutputsBytes: cfg.JobOutputsBytes,
		},
		Denied: append([]string{}, cfg.DeniedNames...), ProgramDenied: append([]string{}, cfg.ProgramDeniedNames...),
	}
	for _, w := range proven {
		c.Walls = append(c.Walls, wall{Name: w.Name, PromisedBy: w.PromisedBy, Held: w.Held})
	}
	return json.Marshal(c)
}
