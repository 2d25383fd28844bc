package jail

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// Program is the sandbox program that builds the jails: nsjail or bubblewrap, and which one exactly.
type Program struct {
	Path string `json:"path"`
	// SHA256 is of its bytes, in hex: neither of the two can be asked for more than a version, and nsjail not even for that.
	SHA256 string `json:"sha256"`
	// Image is the container image that it was taken from, as the images' builds note it; empty where there is no note.
	Image string `json:"image,omitempty"`
}

// imageNote is the file that a build leaves beside the program, with the image that it came from.
const imageNote = ".image"

// Program says which program builds the pool's jails.
func (p *Pool) Program() (Program, error) { return describeProgram(p.plan.program) }

func describeProgram(path string) (Program, error) {
	file, err := os.Open(path)
	if err != nil {
		return Program{}, fmt.Errorf("describe the sandbox program: %w", err)
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return Program{}, fmt.Errorf("describe the sandbox program: %w", err)
	}
	note, err := os.ReadFile(path + imageNote)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Program{}, fmt.Errorf("describe the sandbox program: %w", err)
	}
	return Program{Path: path, SHA256: hex.EncodeToString(sum.Sum(nil)), Image: strings.TrimSpace(string(note))}, nil
}
