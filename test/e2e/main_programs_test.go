package e2e

// mains are the ways in which a script may come to have a main.
var mains = []program{
	{name: "def", script: `
def main():
    return 1
`, result: `1`},
	{name: "none", script: `
def main():
    pass
`, result: `null`},
	{name: "async def", script: `
import asyncio

async def main():
    await asyncio.sleep(0)
    return "awaited"
`, result: `"awaited"`},
	{name: "gather", script: `
import asyncio

async def square(n):
    for _ in range(5 - n):
        await asyncio.sleep(0)
    print(n)
    return n * n

async def main():
    return await asyncio.gather(*(square(n) for n in range(5)))
`, result: `[0,1,4,9,16]`, stdout: "4\n3\n2\n1\n0\n"},
	{name: "task group, timeout, queue and thread", script: `
import asyncio

async def producer(queue):
    for n in range(3):
        await queue.put(n)
    await queue.put(None)

async def main():
    queue, seen = asyncio.Queue(1), []
    async with asyncio.timeout(5):
        async with asyncio.TaskGroup() as group:
            group.create_task(producer(queue))
            while (n := await queue.get()) is not None:
                seen.append(n)
    return seen, await asyncio.to_thread(sum, seen)
`, result: `[[0,1,2],3]`},
	{name: "asyncio.run inside", script: `
import asyncio

async def work():
    return [n async for n in numbers() if n % 2]

async def numbers():
    for n in range(6):
        yield n

def main():
    return asyncio.run(work())
`, result: `[1,3,5]`},
	{name: "main returns a coroutine", script: `
async def later():
    return "later"

def main():
    return later()
`, result: `"later"`},
	{name: "lambda", script: `main = lambda: {"lambda": True}`, result: `{"lambda":true}`},
	{name: "decorated", script: `
import functools

def doubled(f):
    @functools.wraps(f)
    def wrapper(*args, **kwargs):
        return 2 * f(*args, **kwargs)
    return wrapper

@doubled
@functools.lru_cache
def main():
    return 21
`, result: `42`},
	{name: "decorator gives the argument", script: `
import functools

def inject(f):
    @functools.wraps(f)
    def wrapper():
        return f("given")
    return wrapper

@inject
def main(x):
    return x
`, result: `"given"`},
	{name: "decorator of any arguments gives the argument", script: `
import functools

def inject(f):
    @functools.wraps(f)
    def wrapper(*args, **kwargs):
        return f("given", *args, **kwargs)
    return wrapper

@inject
def main(x, y):
    return x, y
`, args: `[2]`, result: `["given",2]`},
	{name: "partial", script: `
from functools import partial

def power(base, exponent):
    return base ** exponent

main = partial(power, 2, exponent=10)
`, result: `1024`},
	{name: "callable object", script: `
class Main:
    def __init__(self, n):
        self.n = n
    def __call__(self, more=1):
        return self.n + more

main = Main(41)
`, result: `42`},
	{name: "async callable object", script: `
class Main:
    async def __call__(self):
        return "async"

main = Main()
`, result: `"async"`},
	{name: "bound method", script: `
class Greeter:
    def greet(self):
        return "hello"

main = Greeter().greet
`, result: `"hello"`},
	{name: "static and class methods", script: `
class A:
    n = 3
    @classmethod
    def make(cls):
        return cls.n

main = A.make
`, result: `3`},
	{name: "a class that makes a list", script: `
class main(list):
    def __init__(self):
        super().__init__([1, 2])
`, result: `[1,2]`},
	{name: "builtin", script: `main = dict`, args: `{"a": 1}`, result: `{"a":1}`},
	{name: "imported into the name", script: `from math import tau; from platform import python_implementation as main`, result: `"CPython"`},
	{name: "imported from a file", script: `from helper import entry as main`, files: []file{{Path: "helper.py", Content: "def entry():\n    return __name__\n"}}, result: `"helper"`},
	{name: "star import", script: `from helper import *`, files: []file{{Path: "helper.py", Content: "def main():\n    return 'star'\n"}}, result: `"star"`},
	{name: "from a package", script: `
from pack.deep.inner import main
`, files: []file{{Path: "pack/__init__.py"}, {Path: "pack/deep/inner.py", Content: "from ..names import NAME\ndef main():\n    return NAME\n"}, {Path: "pack/names.py", Content: "NAME = 'package'\n"}}, result: `"package"`},
	{name: "under if", script: `
if 1 + 1 == 2:
    def main():
        return "if"
else:
    def main():
        return "else"
`, result: `"if"`},
	{name: "under try", script: `
try:
    import no_such_module
except ImportError:
    def main():
        return "fallback"
`, result: `"fallback"`},
	{name: "under with and for", script: `
from contextlib import nullcontext
with nullcontext():
    for n in range(3):
        def main(n=n):
            return n
`, result: `2`},
	{name: "set by globals", script: `
def make():
    global main
    def main():
        return "global"
make()
`, result: `"global"`},
	{name: "set through globals()", script: `globals()["main"] = lambda: "set"`, result: `"set"`},
	{name: "the last one counts", script: `
def main():
    return 1

def main():
    return 2
`, result: `2`},
	{name: "recursive", script: `
def main(n=10):
    return 1 if n == 0 else n * main(n - 1)
`, result: `3628800`},
	{name: "exec'd source text in a string is only a string", script: `
def main():
    return "def main(): exec('1')"
`, result: `"def main(): exec('1')"`},

	{name: "under the guard", script: `
if __name__ == "__main__":
    def main():
        return "guarded"
`, result: `"guarded"`},
	{name: "under the guard and called there", script: `
if __name__ == "__main__":
    def main():
        print("once")
        return "guarded"
    main()
`, result: `"guarded"`, stdout: "once\n"},
	{name: "guard calls main", script: `
def main():
    print("once")
    return 1

if __name__ == "__main__":
    main()
`, result: `1`, stdout: "once\n"},
	{name: "guard prints main", script: `
def main():
    print("once")
    return 1

if __name__ == '__main__':
    result = main()
    print(result)
`, result: `1`, stdout: "once\n"},
	{name: "guard runs an async main", script: `
import asyncio

async def main():
    print("once")
    return 1

if __name__ == "__main__":
    asyncio.run(main())
`, result: `1`, stdout: "once\n"},
	{name: "guard exits with main", script: `
def main():
    print("once")
    return 0

if "__main__" == __name__:
    raise SystemExit(main())
`, result: `0`, stdout: "once\n"},
	{name: "guard prepares for main", script: `
def main():
    return DATA

if __name__ == "__main__":
    DATA = [1, 2]
    print("prepared")
    print(main())
`, result: `[1,2]`, stdout: "prepared\n"},
	{name: "guard calls main by way of another", script: `
def cli():
    print("result:", run())

def run():
    return main()

def main():
    print("once")
    return 1

if __name__ == "__main__":
    cli()
`, result: `1`, stdout: "once\n"},
	{name: "guard in a try and in an else", script: `
def main():
    print("once")

if __name__ != "__main__":
    pass
else:
    try:
        main()
    except Exception:
        pass
`, result: `null`, stdout: "once\n"},
	{name: "guard in one expression", script: `
def main():
    print("once")

__name__ == "__main__" and main()
`, result: `null`, stdout: "once\n"},
	{name: "guard without main", script: `
def main():
    return __name__

if __name__ == "__main__":
    print("a program")
`, result: `"__main__"`, stdout: "a program\n"},
	{name: "the script is the module __main__", script: `
import __main__, pickle

class Point:
    def __init__(self, x):
        self.x = x

def main():
    return __main__.main is main, pickle.loads(pickle.dumps(Point(3))).x, Point.__module__
`, result: `[true,3,"__main__"]`},
}
