package jail

import "math"

// dataPrograms are those about data: pandas, text, objects. each is about what an element takes while it is worked on.
func dataPrograms() (all []rightProgram) {
	for _, d := range []struct {
		name, body string
		each       float64
		want       func(n float64) []float64
	}{
		{"json of numbers", "x = json.loads(json.dumps(list(range(n)))); x = [len(x), x[-1]]", 60, allAndLast},
		{"json of floats", "x = json.loads(json.dumps([i + 0.5 for i in range(n)])); x = [len(x), x[-1] - 0.5]", 80, allAndLast},
		{"json of text", "x = json.loads(json.dumps([str(i) for i in range(n)])); x = [len(x), int(x[-1])]", 150, allAndLast},
		{"json of objects", "x = json.loads(json.dumps([{'k': i} for i in range(n)])); x = [len(x), x[-1]['k']]", 400, allAndLast},
		{"json with indents", "x = json.dumps(list(range(n)), indent=1); x = [x.count('\\n') - 1, json.loads(x)[-1]]", 150, allAndLast},
		{"pickle of numbers", "x = pickle.loads(pickle.dumps(list(range(n)))); x = [len(x), x[-1]]", 60, allAndLast},
		{"pickle of pairs", "x = pickle.loads(pickle.dumps([(i, str(i)) for i in range(n)])); x = [len(x), x[-1][0]]", 300, allAndLast},
		{"pickle of arrays", "x = pickle.loads(pickle.dumps(np.arange(n))); x = [len(x), x[-1]]", 24, allAndLast},
		{"deep copy", "x = copy.deepcopy([[i] for i in range(n)]); x = [len(x), x[-1][0]]", 500, allAndLast},
		{"regular expression, all", "x = re.findall(r'\\d+', ' '.join(map(str, range(n)))); x = [len(x), int(x[-1])]", 120, allAndLast},
		{"regular expression, replaced", "x = re.sub('a', 'bb', 'ac' * n); x = [len(x) // 3, x.count('c') - 1]", 8, allAndLast},
		{"regular expression, split", "x = re.split(',', ','.join(map(str, range(n)))); x = [len(x), int(x[-1])]", 120, allAndLast},
		{"regular expression, groups", "x = [m.groups() for m in re.finditer('(a)(b)', 'ab' * n)]; x = [len(x), len(x) - 1]", 100, allAndLast},
		{"sorted numbers", "x = sorted(range(n, 0, -1)); x = [len(x), x[-1] - 1]", 45, allAndLast},
		{"sorted text", "x = sorted('%09d' % i for i in range(n, 0, -1)); x = [len(x), int(x[-1]) - 1]", 75, allAndLast},
		{"sorted by key", "x = sorted(range(n), key=lambda i: -i); x = [len(x), x[0]]", 90, allAndLast},
		{"sorted pairs", "x = sorted(((i * 7919) % n, i) for i in range(n)); x = [len(x), len(x) - 1]", 120, allAndLast},
		{"list", "x = []\n    for i in range(n): x.append(i)\n    x = [len(x), x[-1]]", 45, allAndLast},
		{"list of lists", "x = [[i] for i in range(n)]; x = [len(x), x[-1][0]]", 110, allAndLast},
		{"list multiplied", "x = [0] * n; x = [len(x), len(x) - 1]", 8, allAndLast},
		{"list, inserted", "x = []\n    for i in range(n): x[len(x):] = [i]\n    x = [len(x), x[-1]]", 45, allAndLast},
		{"dict", "x = {}\n    for i in range(n): x[i] = i\n    x = [len(x), x[n - 1]]", 150, allAndLast},
		{"dict of text", "x = {str(i): i for i in range(n)}; x = [len(x), x[str(n - 1)]]", 200, allAndLast},
		{"dict merged", "x = dict.fromkeys(range(n)) | dict.fromkeys(range(n // 2)); x = [len(x), max(x)]", 200, allAndLast},
		{"set", "x = set(range(n)) | {-1}; x = [len(x) - 1, max(x)]", 130, allAndLast},
		{"frozen set", "x = frozenset(map(str, range(n))); x = [len(x), max(map(int, x))]", 160, allAndLast},
		{"tuple", "x = tuple(range(n)); x = [len(x), x[-1]]", 45, allAndLast},
		{"deque", "x = collections.deque(range(n)); x = [len(x), x[-1]]", 45, allAndLast},
		{"counter", "x = collections.Counter(range(n)); x = [len(x), max(x)]", 200, allAndLast},
		{"default dict", "x = collections.defaultdict(list)\n    for i in range(n): x[i].append(i)\n    x = [len(x), x[n - 1][0]]", 250,
			allAndLast},
		{"heap", "x = []\n    for i in range(n): heapq.heappush(x, -i)\n    x = [len(x), -x[0]]", 45, allAndLast},
		{"bytes", "x = b'x' * n; x = [len(x), len(x) - 1]", 1, allAndLast},
		{"bytes joined", "x = b''.join(bytes([65]) * 10 for i in range(n)); x = [len(x) // 10, x.count(65) / 10 - 1]", 30, allAndLast},
		{"byte array", "x = bytearray()\n    for i in range(n): x += b'0123456789'\n    x = [len(x) // 10, x.count(b'9') - 1]", 12, allAndLast},
		{"text", "x = 'é' * n; x = [len(x), x.count('é') - 1]", 1, allAndLast},
		{"text joined", "x = ''.join(str(i % 10) for i in range(n)); x = [len(x), len(x) - 1]", 12, allAndLast},
		{"text encoded", "x = ('€' * n).encode(); x = [len(x) // 3, x.count(b'\\xe2') - 1]", 5, allAndLast},
		{"text decoded", "x = (b'\\xe2\\x82\\xac' * n).decode(); x = [len(x), x.count('€') - 1]", 5, allAndLast},
		{"text split", "x = ('ab ' * n).split(); x = [len(x), len(x) - 1]", 70, allAndLast},
		{"text replaced", "x = ('ab' * n).replace('a', 'xyz'); x = [len(x) // 4, x.count('b') - 1]", 8, allAndLast},
		{"text formatted", "x = ['%010d' % i for i in range(n)]; x = [len(x), int(x[-1])]", 75, allAndLast},
		{"text in upper case", "x = ('ß' * n).upper(); x = [len(x) // 2, len(x) // 2 - 1]", 8, allAndLast},
		{"text in memory", "x = io.StringIO()\n    for i in range(n): x.write('line\\n')\n" +
			"    x = x.getvalue(); x = [x.count('\\n'), len(x) // 5 - 1]", 30, allAndLast},
		{"csv", "f = io.StringIO(); w = csv.writer(f)\n    for i in range(n): w.writerow([i, 'x'])\n" +
			"    f.seek(0); x = list(csv.reader(f)); x = [len(x), int(x[-1][0])]", 300, allAndLast},
		{"array", "x = array.array('d', range(n)); x = [len(x), x[-1]]", 10, allAndLast},
		{"struct", "x = struct.unpack('%dq' % n, struct.pack('%dq' % n, *range(n))); x = [len(x), x[-1]]", 100, allAndLast},
		{"compressed", "x = zlib.decompress(zlib.compress(b'abcdefghij' * n)); x = [len(x) // 10, x.count(b'j') - 1]", 24, allAndLast},
		{"base64", "x = base64.b64decode(base64.b64encode(b'abc' * n)); x = [len(x) // 3, x.count(b'c') - 1]", 12, allAndLast},
		{"decimals", "x = [decimal.Decimal(i) for i in range(n)]; x = [len(x), int(x[-1])]", 150, allAndLast},
		{"fractions", "x = [fractions.Fraction(i, 1) for i in range(n)]; x = [len(x), int(x[-1])]", 160, allAndLast},
		{"large numbers", "x = (1 << (8 * n)) - 1; x = [x.bit_length() // 8, len(x.to_bytes(n, 'big')) - 1]", 4, allAndLast},
		{"pairs", "x = list(zip(range(n), range(n))); x = [len(x), x[-1][1]]", 140, allAndLast},
		{"generator", "x = [sum(1 for _ in range(n)), n - 1]", 100, allAndLast},
		{"objects", "class C:\n        def __init__(self, i): self.i = i\n    x = [C(i) for i in range(n)]; x = [len(x), x[-1].i]", 200,
			allAndLast},
		{"objects with slots", "class C:\n        __slots__ = ['i']\n        def __init__(self, i): self.i = i\n" +
			"    x = [C(i) for i in range(n)]; x = [len(x), x[-1].i]", 120, allAndLast},
		{"numpy range", "x = np.arange(n); x = [len(x), x[-1]]", 8, allAndLast},
		{"numpy sort", "x = np.sort(np.arange(n)[::-1]); x = [len(x), x[-1]]", 16, allAndLast},
		{"numpy argsort", "x = np.argsort(np.arange(n)); x = [len(x), x[-1]]", 24, allAndLast},
		{"numpy unique", "x = np.unique(np.arange(n) // 1); x = [len(x), x[-1]]", 32, allAndLast},
		{"numpy concatenate", "x = np.concatenate([np.arange(n), np.arange(n)]); x = [len(x) // 2, x[-1]]", 32, allAndLast},
		{"numpy where", "x = np.where(np.arange(n) >= 0)[0]; x = [len(x), x[-1]]", 24, allAndLast},
		{"numpy histogram", "x = np.histogram(np.arange(n), bins=4)[0]; x = [x.sum(), x.sum() - 1]", 32, allAndLast},
		{"numpy transform", "x = np.fft.ifft(np.fft.fft(np.ones(n))); x = [round(x.real.sum()), round(x.real.sum()) - 1]", 64, allAndLast},
		{"numpy to list", "x = np.arange(n).tolist(); x = [len(x), x[-1]]", 50, allAndLast},
		{"numpy text", "x = np.array(['%07d' % 7] * n); x = [len(x), int(x[-1]) + len(x) - 8]", 40, allAndLast},
		{"pandas value_counts", "x = pd.Series(np.arange(n)).value_counts(); x = [len(x), x.index.max()]", 80, allAndLast},
		{"pandas value_counts of text", "x = pd.Series([str(i) for i in range(n)]).value_counts(); x = [len(x), x.iloc[0] + n - 2]", 250,
			allAndLast},
		{"pandas groupby", "x = pd.DataFrame({'k': np.arange(n), 'v': np.arange(n)}).groupby('k').v.sum(); x = [len(x), x.iloc[-1]]", 120,
			allAndLast},
		{"pandas groupby mean", "x = pd.DataFrame({'k': np.arange(n) % 7, 'v': np.ones(n)}).groupby('k').v.count(); x = [x.sum(), x.sum() - 1]",
			80, allAndLast},
		{"pandas merge", "x = pd.DataFrame({'k': np.arange(n)}).merge(pd.DataFrame({'k': np.arange(n), 'v': 1.0}), on='k'); x = [len(x), " +
			"x.k.iloc[-1]]", 160, allAndLast},
		{"pandas concat", "x = pd.concat([pd.DataFrame({'a': np.arange(n)})] * 2); x = [len(x) // 2, x.a.max()]", 50, allAndLast},
		{"pandas sort", "x = pd.DataFrame({'a': np.arange(n)[::-1]}).sort_values('a'); x = [len(x), x.a.iloc[-1]]", 60, allAndLast},
		{"pandas sort of text", "x = pd.Series(['%08d' % i for i in range(n, 0, -1)]).sort_values(); x = [len(x), int(x.iloc[-1]) - 1]", 150,
			allAndLast},
		{"pandas duplicates", "x = pd.Series(np.arange(n)).drop_duplicates(); x = [len(x), x.iloc[-1]]", 70, allAndLast},
		{"pandas rank", "x = pd.Series(np.arange(n)).rank(); x = [len(x), x.iloc[-1] - 1]", 60, allAndLast},
		{"pandas rolling", "x = pd.Series(np.ones(n)).rolling(2).sum(); x = [len(x), x.sum() / 2]", 60, allAndLast},
		{"pandas cumsum", "x = pd.Series(np.ones(n)).cumsum(); x = [len(x), x.iloc[-1] - 1]", 30, allAndLast},
		{"pandas map", "x = pd.Series(np.arange(n)).map(lambda i: i); x = [len(x), x.iloc[-1]]", 100, allAndLast},
		{"pandas text", "x = pd.Series(['ab'] * n).str.upper(); x = [len(x), (x == 'AB').sum() - 1]", 90, allAndLast},
		{"pandas pivot", "x = pd.DataFrame({'r': np.arange(n), 'c': 0, 'v': 1.0}).pivot_table(index='r', columns='c', values='v'); x = " +
			"[len(x), x.index.max()]", 250, allAndLast},
		{"pandas csv", "x = pd.read_csv(io.StringIO('a,b\\n' + ''.join('%d,x\\n' % i for i in range(n)))); x = [len(x), x.a.iloc[-1]]", 150,
			allAndLast},
		{"pandas to csv", "x = pd.DataFrame({'a': np.arange(n)}).to_csv(index=False); x = [x.count('\\n') - 1, int(x.split('\\n')[-2])]", 150,
			allAndLast},
		{"pandas records", "x = pd.DataFrame({'a': np.arange(n)}).to_dict('records'); x = [len(x), x[-1]['a']]", 350, allAndLast},
		{"pandas dates", "x = pd.date_range('2000', periods=n, freq='s'); x = [len(x), (x[-1] - x[0]).total_seconds()]", 40, allAndLast},
		{"pandas categories", "x = pd.Series(np.arange(n) % 3).astype('category').cat.codes; x = [len(x), len(x) - 1]", 60, allAndLast},
		{"pandas stack", "x = pd.DataFrame(np.ones((n, 2))).stack(); x = [len(x) // 2, x.sum() / 2 - 1]", 160, allAndLast},
		{"pandas join", "x = pd.DataFrame({'a': np.arange(n)}).join(pd.DataFrame({'b': np.arange(n)})); x = [len(x), x.b.iloc[-1]]", 60,
			allAndLast},
		{"sum of squares", "x = [len([i * i for i in range(n)]), math.isqrt(sum(2 * i + 1 for i in range(n))) - 1]", 45, allAndLast},
		{"permutations", "x = list(itertools.islice(itertools.permutations(range(9)), n)); x = [len(x), len(x) - 1]", 190, allAndLast},
	} {
		all = append(all, rightProgram{
			name: d.name, want: d.want, tolerance: 1e-9,
			script: "import array, base64, collections, copy, csv, decimal, fractions, heapq, io, itertools, json, math, pickle, re, struct, " +
				"zlib\n" +
				"import numpy as np\nimport pandas as pd\ndef main(n):\n    " + d.body + "\n    return [float(y) for y in x]\n",
			number: func(bytes float64) int { return int(math.Max(16, bytes/d.each)) },
		})
	}
	return all
}

// allAndLast is how many elements there are, and the last of them.
func allAndLast(n float64) []float64 { return []float64{n, n - 1} }
