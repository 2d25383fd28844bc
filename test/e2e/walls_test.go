package e2e

const (
	noNetwork  = "there is no network here: send data in the request's args or files"
	oneProcess = "a script is one process here, and can start no other: use threads (concurrent.futures.ThreadPoolExecutor), or call a library"
)

// walled: what the walls refuse, which the error then names.
var walled = []mistake{
	wall("a socket", "import socket\ndef main(): socket.socket()", "PermissionError", "[Errno 1] Operation not permitted", 2, noNetwork),
	wall("a name", "import socket\ndef main(): socket.getaddrinfo('example.com', 80)", "gaierror", "[Errno -2] Name or service not known", 2, noNetwork),
	wall("a download", "import urllib.request as r\ndef main(): r.urlopen('https://example.com/data.csv', timeout=8)", "URLError",
		"<urlopen error [Errno -2] Name or service not known>", 2, noNetwork),
	wall("a connection of asyncio's", "import asyncio\ndef main(): asyncio.run(asyncio.open_connection('10.0.0.1', 80))", "PermissionError",
		"[Errno 1] Operation not permitted", 2, noNetwork),
	wall("a wrapped failure", "import socket\ndef main():\n    try:\n        socket.create_connection(('10.0.0.1', 80))\n    except OSError as e:\n        raise RuntimeError('no data') from e",
		"RuntimeError", "no data", 6, noNetwork),
	wall("a server of asyncio's", "import asyncio\nasync def main(): await asyncio.start_server(print, '127.0.0.1', 8888)", "OSError",
		"[Errno 101] Network is unreachable", 2, noNetwork),
	wall("a shell", "import posix\ndef main(): posix.system('ls')", "PermissionError", "[Errno 1] Operation not permitted", 2, oneProcess),
	wall("a way of starting processes", "import multiprocessing as m\ndef main(): m.get_context('forkserver')", "ValueError",
		"forkserver start method not available", 2, oneProcess),
	wall("a folder of the host", "def main(): open('/mnt/data/out.csv', 'w')", "FileNotFoundError",
		"[Errno 2] No such file or directory: '/mnt/data/out.csv'", 1, "a script has its working directory alone here..."),
	wall("a fork", "import posix\ndef main(): posix.fork()", "PermissionError", "[Errno 1] Operation not permitted", 2, oneProcess),
	wall("another program", "import posix\ndef main(): posix.posix_spawn('/bin/ls', ['ls'], {})", "PermissionError", "[Errno 1] Operation not permitted: '/bin/ls'", 2, oneProcess),
	wall("a process", "import multiprocessing\ndef main(): multiprocessing.Process(target=print).start()", "PermissionError", "[Errno 1] Operation not permitted", 2, oneProcess),
	wall("threads", "import threading, time\ndef main():\n    for _ in range(40):\n        threading.Thread(target=time.sleep, args=(0.5,)).start()", "RuntimeError",
		"can't start new thread", 4, "a script may have 16 threads beside its main one here (JOB_THREADS): start fewer at a time"),
	wall("open files", "def main():\n    return [open('/dev/null') for _ in range(300)]", "OSError", "[Errno 24] Too many open files: '/dev/null'", 2,
		"a script may have 256 files open at a time here: close those that it is done with"),
	wall("a large file", "def main():\n    with open('x', 'wb') as f:\n        f.truncate(1 << 40)", "OSError", "[Errno 27] File too large", 3,
		"the working directory holds at most 64 MB and 4096 files here (JOB_DISK_MB)"),
	wall("no input", "def main(): return input()", "EOFError", "EOF when reading a line", 1,
		"the request's stdin is empty, or has been read to its end: send in it what input() is to read"),
	// Not of the walls: what the script itself says.
	wall("an error of the script's own", "def main(): raise PermissionError(1, 'not yours')", "PermissionError", "[Errno 1] not yours", 1, ""),
	wall("a full disk of the script's own", "def main(): raise OSError(28, 'full')", "OSError", "[Errno 28] full", 1, ""),
	wall("the end of a file of the script's own", "import pickle\ndef main(): pickle.loads(b'')", "EOFError", "Ran out of input", 2, ""),
	wall("a file that is not there", "def main(): open('missing.csv')", "FileNotFoundError", "[Errno 2] No such file or directory: 'missing.csv'", 1, ""),
	wall("a name from a fence", "python\ndef main(): ...", "NameError", "name 'python' is not defined", 1,
		"the first line is the language's name of a Markdown fence: send only the lines after it"),
	wall("nearly a module's name", "import jsonn\ndef main(): ...", "ModuleNotFoundError", "No module named 'jsonn'", 1, "did you mean json?"),
	wall("a module by another name", "import cv2\ndef main(): ...", "ModuleNotFoundError", "No module named 'cv2'", 1, "cv2 (opencv-python-headless) is not installed..."),
}

func wall(name, script, kind, text string, line int, sentence string) mistake {
	message := "Script execution failed: " + kind + ": " + text
	if message[len(message)-3:] != "..." {
		message += " (line " + digits(int64(line)) + ")"
		if sentence != "" {
			message += "; " + sentence
		}
	}
	return mistake{name: name, script: script, status: 500, code: "exception", kind: kind, message: message, line: line}
}
