# Tries: values that are hard to encode: nested a million deep, inside themselves, keys that lie, subclasses with methods that
# never end or raise what nobody catches.
# Must hold: the job ends in time with an error of its own.
# Timeout: 1500
# Ends: invalid_result exception crashed timeout memory_limit
class Liar(dict):
    def items(self):
        while True:
            yield object(), Liar()

    def __iter__(self):
        raise SystemExit

    def __len__(self):
        raise KeyboardInterrupt


def main(**_):
    deep = []
    for _ in range(1_000_000):
        deep = [deep]
    circle = {}
    circle["circle"] = circle
    return {"deep": deep, "circle": circle, "liar": Liar(a=Liar())}
