package jail

import (
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"testing"
	"time"
)

var rightFull = flag.Bool("right", false, "run every program of TestRightOrMemoryLimit at every size on every kind of jail, not a "+
	"selection")

// rightLimit is small, so that what uses it up takes little time.
const rightLimit = 8

// rightSizes are what a program's data takes, in parts of the limit: from what fits to what does not.
var rightSizes = []float64{0.04, 0.1, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8, 1, 1.6}

// TestRightOrMemoryLimit: at whatever size a program's data meets the limit, its answer is the right one or memory_limit. Every right one
// is known by another way. C code that does not check whether it got its memory would answer zeros, or crash.
func TestRightOrMemoryLimit(t *testing.T) {
	programs := rightPrograms()
	if len(programs) < 200 {
		t.Errorf("only %d programs", len(programs))
	}
	for _, k := range []struct {
		name string
		Config
		share int // one program in so many
	}{
		{"nsjail", Config{Backend: Nsjail, Level: Namespaces}, 1},
		{"nsjail without a cgroup", Config{Backend: Nsjail, Level: Namespaces, Cgroup: CgroupOff}, 4},
		{"bubblewrap", Config{Backend: Bubblewrap, Level: Namespaces}, 4},
		{"bubblewrap without a cgroup", Config{Backend: Bubblewrap, Level: Namespaces, Cgroup: CgroupOff}, 8},
		{"process", Config{Backend: Nsjail, Level: Process}, 8},
		{"process without a cgroup", Config{Backend: Nsjail, Level: Process, Cgroup: CgroupOff}, 8},
	} {
		if !*rightFull && k.Cgroup == CgroupOff {
			continue
		}
		t.Run(k.name, func(t *testing.T) {
			c := k.Config
			c.Preload, c.Limits, c.Slots = []string{"numpy", "pandas"}, Limits{MemoryMB: rightLimit, Timeout: 2 * time.Minute}, 2
			p, err := Open(t.Context(), c)
			if err != nil {
				t.Skip("no jail can be made here: ", err)
			}
			defer p.Close()
			every, sizes := k.share, rightSizes
			if !*rightFull {
				every, sizes = 24*k.share, []float64{rightSizes[0], rightSizes[5], rightSizes[9]}
			}
			right, over := 0, 0
			for i := 0; i < len(programs); i += every {
				for _, size := range sizes {
					if programs[i].runs(t, p, size) {
						right++
					} else {
						over++
					}
				}
			}
			t.Logf("%d answers were right, %d jobs had too much", right, over)
			if right == 0 || over == 0 {
				t.Errorf("%d were right and %d had too much: the sizes do not meet the limit", right, over)
			}
		})
	}
}

// runs reports whether the answer was the right one. Any other but memory_limit is an error, as is one where none can be, or the other way
// round.
func (r rightProgram) runs(t *testing.T, p *Pool, size float64) bool {
	t.Helper()
	n := r.number(size * rightLimit * (1 << 20))
	args, _ := json.Marshal([]int{n})
	o, err := p.Run(t.Context(), Job{Script: r.script, Args: args})
	if err != nil {
		t.Fatal(err)
	}
	if f := o.Failure; f != nil {
		if f.Code != MemoryLimit {
			t.Errorf("%s of %d: %+v; %s", r.name, n, f, o.Stderr.Text)
		} else if size == rightSizes[0] {
			t.Errorf("%s of %d: %d bytes for data of %.0f", r.name, n, o.Usage.MemoryPeakBytes, size*rightLimit*(1<<20))
		}
		return false
	}
	var got []float64
	if err := json.Unmarshal(o.Result, &got); err != nil {
		t.Errorf("%s of %d: %.200s", r.name, n, o.Result)
		return true
	}
	want := r.want(float64(n))
	wrong := len(got) != len(want)
	for i := 0; i < len(want) && !wrong; i++ {
		wrong = math.Abs(got[i]-want[i]) > r.tolerance*math.Max(1, math.Abs(want[i]))
	}
	if wrong {
		t.Errorf("%s of %d: %v, want %v", r.name, n, got, want)
	}
	return true
}

// rightProgram is a script whose main takes a size and returns a list of numbers.
type rightProgram struct {
	name, script string
	// number is the size that gives data of so many bytes.
	number    func(bytes float64) int
	want      func(n float64) []float64
	tolerance float64
}

func rightPrograms() []rightProgram { return append(matrixPrograms(), dataPrograms()...) }

// matrices have inverses, values and factors that are known for any size: c in the diagonal and 1 everywhere (c+n once, c else are its
// eigenvalues), or a diagonal alone. Any of the second's rows will do, of the first's too.
var matrices = []struct {
	name, make string
	every      float64 // what is everywhere
}{
	{"diagonal", "a = np.zeros((n, n), t); np.fill_diagonal(a, 2)", 0},
	{"diagonal and ones", "a = np.ones((n, n), t); np.fill_diagonal(a, 3)", 1},
}

// kinds are numpy's types: bytes of each number, and how far off it may be.
var kinds = []struct {
	name      string
	bytes     float64
	tolerance float64
}{{"f8", 8, 1e-6}, {"f4", 4, 1e-2}, {"c16", 16, 1e-6}}

// matrixOperations answer with numbers that are known for a matrix of 2 in the diagonal and e everywhere, n large.
var matrixOperations = []struct {
	name, take string
	want       func(n, e float64) []float64
}{
	{"inv", "x = np.linalg.inv(a); x = [x[0, 0], x[-1, -1], x[0, -1]]", func(n, e float64) []float64 {
		off := -e / (2 * (2 + e*n))
		return []float64{.5 + off, .5 + off, off}
	}},
	{"solve", "x = np.linalg.solve(a, np.ones(n, t)); x = [x[0], x[-1]]",
		func(n, e float64) []float64 { return []float64{1 / (2 + e*n), 1 / (2 + e*n)} }},
	{"solve many", "x = np.linalg.solve(a, 2 * np.eye(n, dtype=t)); x = [x[0, 0], x[-1, -1]]", func(n, e float64) []float64 {
		d := 1 - e/(2+e*n)
		return []float64{d, d}
	}},
	{"pinv", "x = np.linalg.pinv(a); x = [x[0, 0], x[-1, -1]]",
		func(n, e float64) []float64 { d := .5 - e/(2*(2+e*n)); return []float64{d, d} }},
	{"lstsq", "x = np.linalg.lstsq(a, np.ones(n, t), rcond=None)[0]; x = [x[0], x[-1]]",
		func(n, e float64) []float64 { return []float64{1 / (2 + e*n), 1 / (2 + e*n)} }},
	{"eig", "w, v = np.linalg.eig(a); w = np.sort(w.real); x = [w[0], w[-1], abs(v).max() <= 1.0001, np.linalg.norm(v[:, 0])]",
		func(n, e float64) []float64 { return []float64{2, 2 + e*n, 1, 1} }},
	{"eigvals", "w = np.sort(np.linalg.eigvals(a).real); x = [w[0], w[-1]]", func(n, e float64) []float64 { return []float64{2, 2 + e*n} }},
	{"eigh", "w, v = np.linalg.eigh(a); x = [w[0], w[-1], np.linalg.norm(v[:, -1])]",
		func(n, e float64) []float64 { return []float64{2, 2 + e*n, 1} }},
	{"eigvalsh", "w = np.linalg.eigvalsh(a); x = [w[0], w[-1]]", func(n, e float64) []float64 { return []float64{2, 2 + e*n} }},
	{"svd", "u, s, v = np.linalg.svd(a); x = [s[0], s[-1], np.linalg.norm(u[0]), np.linalg.norm(v[0])]",
		func(n, e float64) []float64 { return []float64{2 + e*n, 2, 1, 1} }},
	{"singular values", "s = np.linalg.svd(a, compute_uv=False); x = [s[0], s[-1]]",
		func(n, e float64) []float64 { return []float64{2 + e*n, 2} }},
	{"qr", "q, r = np.linalg.qr(a); x = [np.linalg.norm(q[:, 0]), np.linalg.norm(q[:, -1]), abs(r[0, 0])]", func(n, e float64) []float64 {
		return []float64{1, 1, math.Sqrt((2+e)*(2+e) + e*(n-1))}
	}},
	{"cholesky", "l = np.linalg.cholesky(a); x = [l[0, 0], l[-1, 0], np.linalg.norm(l[-1]) ** 2]", func(n, e float64) []float64 {
		return []float64{math.Sqrt(2 + e), e / math.Sqrt(2+e), 2 + e}
	}},
	{"slogdet", "x = list(np.linalg.slogdet(a))", func(n, e float64) []float64 { return []float64{1, (n-1)*math.Log(2) + math.Log(2+e*n)} }},
	{"rank", "x = [np.linalg.matrix_rank(a)]", func(n, e float64) []float64 { return []float64{n} }},
	{"norm", "x = [np.linalg.norm(a), np.linalg.norm(a, 1), np.linalg.norm(a, 2)]", func(n, e float64) []float64 {
		return []float64{math.Sqrt(n*(2+e)*(2+e) + e*n*(n-1)), 2 + e*n, 2 + e*n}
	}},
	{"condition", "x = [np.linalg.cond(a)]", func(n, e float64) []float64 { return []float64{1 + e*n/2} }},
	{"power", "x = np.linalg.matrix_power(a, 3); x = [x[0, 0], x[0, -1]]", func(n, e float64) []float64 {
		off := e * (12 + 6*n + n*n)
		return []float64{8 + off, off}
	}},
	{"product", "x = a @ a; x = [x[0, 0], x[-1, 0]]", func(n, e float64) []float64 { off := e * (4 + n); return []float64{4 + off, off} }},
	{"einsum", "x = np.einsum('ij,jk->i', a, a); x = [x[0], x[-1]]",
		func(n, e float64) []float64 { return []float64{(2 + e*n) * (2 + e*n), (2 + e*n) * (2 + e*n)} }},
	{"transform", "x = np.fft.fft2(a); x = [x[0, 0]]", func(n, e float64) []float64 { return []float64{2*n + e*n*n} }},
	{"sums", "x = [a.sum(), a.cumsum(axis=0)[-1, -1], a.T.copy().trace()]",
		func(n, e float64) []float64 { return []float64{2*n + e*n*n, 2 + e*n, (2 + e) * n} }},
	{"outer", "x = np.kron(a[:8, :8], np.ones((n // 8, n // 8), t)); x = [x.shape[0], x[0, 0]]",
		func(n, e float64) []float64 { return []float64{8 * math.Floor(n/8), 2 + e} }},
}

func matrixPrograms() (all []rightProgram) {
	for _, m := range matrices {
		for _, k := range kinds {
			for _, o := range matrixOperations {
				all = append(all, rightProgram{
					name: fmt.Sprintf("%s, %s, %s", o.name, m.name, k.name),
					script: fmt.Sprintf("import numpy as np\ndef main(n):\n    t = %q\n    %s\n    %s\n    return [float(complex(y).real) for y in x]\n",
						k.name, m.make, o.take),
					number: func(bytes float64) int { return int(math.Sqrt(bytes / k.bytes)) },
					want:   func(n float64) []float64 { return o.want(n, m.every) }, tolerance: k.tolerance,
				})
			}
		}
	}
	return all
}
