package launch

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"syscall"

	"github.com/landlock-lsm/go-landlock/landlock"
	"github.com/moby/sys/reexec"
)

// confineName is the name under which this program starts itself anew to be confined by Landlock before it becomes nsjail. What is
// confined so stays confined across every exec, and no process of this program's own is.
const confineName = "safepy-confine"

// confinement is what a jail at level Process may reach of the file system, where no mount namespace narrows what there is.
type confinement struct {
	Program   []string `json:"program"` // nsjail and the libraries it loads before it changes the root
	Read      []string `json:"read"`    // Python and its libraries
	Devices   []string `json:"devices"`
	Directory string   `json:"directory"`
}

// What is started under that name does nothing else, whichever program of ours it is, a test's as well; so it is not left to main.
func init() {
	reexec.Register(confineName, func() { fmt.Fprintln(os.Stderr, "confine:", becomeConfined(os.Args[1:])) })
	if reexec.Init() {
		os.Exit(1) // what has become confined is nsjail by now
	}
}

// becomeConfined never returns but for an error. args are the confinement, the program's path and its arguments.
func becomeConfined(args []string) error {
	var c confinement
	if err := json.Unmarshal([]byte(args[0]), &c); err != nil {
		return err
	}
	// The best that the kernel has; one without Landlock goes on without, and what is enforced then is said elsewhere. TCP ports,
	// signals to processes outside and abstract sockets outside are refused where the kernel can.
	config := landlock.V7.BestEffort()
	err := config.Restrict(
		landlock.RODirs(existing(append(c.Program, c.Read...), true)...), landlock.ROFiles(existing(append(c.Program, c.Read...), false)...),
		landlock.RWDirs(c.Directory).WithRefer(), landlock.RWFiles(existing(c.Devices, false)...),
	)
	if err != nil {
		return fmt.Errorf("landlock: %w", err)
	}
	return syscall.Exec(args[1], args[1:], os.Environ())
}

// existing are the paths that are there, directories or other files.
func existing(paths []string, directories bool) []string {
	return slices.DeleteFunc(slices.Clone(paths), func(path string) bool {
		info, err := os.Stat(path)
		return err != nil || info.IsDir() != directories
	})
}

// Confined is what starts args behind Landlock: the program to execute, and its arguments, the name that it goes by first.
func (s Spec) Confined(args []string) (path string, confined []string, err error) {
	c := confinement{Program: []string{s.Program, "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache"},
		Directory: s.Chroot + s.Directory}
	if s.Chroot != "" {
		c.Read = []string{s.Chroot}
	} else {
		// mimetypes, which openpyxl imports, reads it where there is one and fails where it cannot.
		c.Read = append(slices.Clone(s.Root.Binds), "/etc/mime.types")
		c.Program = []string{s.Program}
	}
	for _, device := range []string{"null", "zero", "full"} {
		c.Devices = append(c.Devices, s.Chroot+"/dev/"+device)
	}
	blob, err := json.Marshal(c)
	if err != nil {
		return "", nil, err
	}
	return reexec.Self(), append([]string{confineName, string(blob)}, args...), nil
}
