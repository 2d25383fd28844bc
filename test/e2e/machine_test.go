package e2e

// machine are questions that ordinary code and libraries ask of the machine they run on, with the modules that asking takes, and what is
// right in a jail: a small machine of the job's own.
var machine = answers{
	// who
	{"getpass", `getpass.getuser()`, `"user"`},
	{"pwd, posix", `list(pwd.getpwuid(posix.getuid()))[0::5]`, `["user","/tmp"]`},
	{"grp, posix", `grp.getgrgid(posix.getgid()).gr_name`, `"user"`},
	{"pathlib", `[str(pathlib.Path.home()), str(pathlib.Path("~/x").expanduser()), pathlib.Path(".").owner(), pathlib.Path(".").group()]`, `["/tmp","/tmp/x","user","user"]`},
	{"pathlib", `(pathlib.Path.home() / ".tool").mkdir()`, `null`},
	{"posix", `posix.getlogin()`, `"user"`},
	{"posix", `posix.chown(".", posix.getuid(), posix.getgid())`, `null`},
	{"socket", `socket.gethostname()`, `"jail"`},
	// language and time
	{"locale", `[locale.setlocale(locale.LC_ALL, ""), locale.format_string("%d", 1234567), locale.getpreferredencoding().lower()]`, `["C.UTF-8","1234567","utf-8"]`},
	{"time", `[time.tzname[0], time.localtime(0).tm_hour]`, `["UTC",0]`},
	{"zoneinfo, datetime", `datetime.datetime(2026, 7, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")).isoformat()`, `"2026-07-01T00:00:00+02:00"`},
	// how large
	{"multiprocessing", `multiprocessing.cpu_count()`, `1`},
	{"posix", `[len(posix.sched_getaffinity(0)), posix.sysconf("SC_NPROCESSORS_ONLN"), posix.sysconf("SC_PHYS_PAGES") * posix.sysconf("SC_PAGE_SIZE") >> 20]`, `[1,1,100]`},
	{"re", `int(re.search(r"MemTotal:\s+(\d+) kB", open("/proc/meminfo").read())[1]) >> 10`, `100`},
	{"", `open("/proc/cpuinfo").read().count("processor\t")`, `1`},
	{"", `dict(line.split(":", 1) for line in open("/proc/self/status"))["Uid"].split()`, `["1000","1000","1000","1000"]`},
	{"", `[float(x) >= 0 for x in open("/proc/uptime").read().split()]`, `[true,true]`},
	{"", `open("/sys/fs/cgroup/cpu.max").read() + open("/sys/devices/system/cpu/online").read()`, `"100000 100000\n0\n"`},
	{"shutil", `shutil.disk_usage(".").total >> 20`, `64`},
	{"resource", `resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 0`, `true`},
	// what is where
	{"socket", `[socket.getservbyname("https"), socket.getservbyport(22), socket.getprotobyname("udp"), socket.gethostbyname("localhost")]`, `[443,"ssh",17,"127.0.0.1"]`},
	{"mimetypes", `[mimetypes.guess_type("a.xlsx")[0], mimetypes.guess_type("a.csv")[0]]`, `["application/vnd.openxmlformats-officedocument.spreadsheetml.sheet","text/csv"]`},
	{"platform", `[platform.system(), platform.freedesktop_os_release()["ID"], platform.processor() is not None, platform.libc_ver()[0]]`, `["Linux","linux",true,"glibc"]`},
	{"ctypes.util", `[ctypes.util.find_library(n) for n in ("c", "m", "no_such")]`, `["libc.so.6","libm.so.6",null]`},
	{"ssl", `ssl.create_default_context().verify_mode.name`, `"CERT_REQUIRED"`},
	{"ssl", `ssl.create_default_context().cert_store_stats()["x509_ca"] > 0`, `true`},
	{"posix", `posix.getloadavg()`, `[0.0,0.0,0.0]`},
	{"", `[1 << 10 < int(open("/proc/self/statm").read().split()[1]) * 4096 <= 10 << 20]`, `[true]`},
	{"curses", `curses.setupterm("xterm", 1) or curses.tigetnum("colors")`, `8`},
	{"webbrowser, readline, sqlite3", `sqlite3.connect("t.db").execute("select 1").fetchone()`, `[1]`},
	{"tempfile", `tempfile.gettempdir()`, `"/tmp"`},
	{"posix", `sorted(posix.listdir("/dev"))`, `["fd","full","null","random","shm","stderr","stdin","stdout","urandom","zero"]`},
	{"posix", `posix.listdir("/dev/shm") + posix.listdir(".")`, `[]`},
	// one process of many threads
	{"multiprocessing.pool", `multiprocessing.pool.ThreadPool(4).map(lambda n: n * n, [1, 2, 3])`, `[1,4,9]`},
	{"multiprocessing", `[multiprocessing.Lock().acquire(), multiprocessing.Value("i", 3).value, multiprocessing.Array("i", [1, 2])[:]]`, `[true,3,[1,2]]`},
	{"multiprocessing", `(lambda q: [q.put("x"), q.get(timeout=5)])(multiprocessing.Queue())`, `[null,"x"]`},
	{"multiprocessing", `(lambda s: [s.acquire(False), s.acquire(False), s.release()])(multiprocessing.Semaphore(1))`, `[true,false,null]`},
	{"", `len(open("/dev/shm/x", "w").write("y") * "z")`, `1`},
}

// answers become programs of one line.
type answers []struct{ modules, call, result string }

func (a answers) programs() []program {
	var all []program
	for _, q := range a {
		script := "def main():\n    return " + q.call
		if q.modules != "" {
			script = "import " + q.modules + "\n\n" + script
		}
		all = append(all, program{name: q.call, script: script, result: q.result})
	}
	return append(all,
		program{name: "streams by their names", script: `
from pathlib import Path

def main():
    first = open("/dev/stdin").read()
    with open("/dev/stdout", "w") as out:
        print("one", file=out)
    Path("/dev/fd/1").write_text("two\n")
    open("/dev/stderr", "w").write("not here\n")
    print("three")
    return [first, Path("/dev/stdin").exists(), open("/dev/stdin", "rb").read().decode()]
`, stdin: "all of it", result: `["all of it",true,""]`, stdout: "one\ntwo\nthree\n"},
		program{name: "numpy reads stdin by its name", script: `
import numpy as np

def main():
    return np.loadtxt("/dev/stdin").tolist()
`, stdin: "1 2\n3 4\n", result: `[[1.0,2.0],[3.0,4.0]]`},
		program{name: "copytree with links", script: `
import pathlib, shutil

def main():
    pathlib.Path("a").mkdir()
    pathlib.Path("a/file").write_text("x")
    pathlib.Path("a/link").symlink_to("file")
    shutil.copytree("a", "b", symlinks=True)
    shutil.copytree("a", "c")
    return [pathlib.Path("b/link").is_symlink(), pathlib.Path("c/link").read_text()]
`, result: `[true,"x"]`},
		program{name: "what is in the place of the kernel's", script: `
import pathlib

def main():
    found = []
    for path in ("/etc/passwd", "/etc/new", "/proc/meminfo", "/proc/new", "/proc/self/new", "/sys/new", "/dev/new", "/run/new", "/run/job/new"):
        try:
            open(path, "a")
            found.append(path)
        except OSError:
            pass
    return found
`, result: `[]`},
	)
}
