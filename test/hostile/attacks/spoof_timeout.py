# Tries: to say of itself what only the worker can know: that its time was over.
# Must hold: the job does not count as timed out.
# Ends: crashed
import os


def main(**_):
    os.write(4, b'{"error": {"code": "timeout", "message": "forged", "type": "", "line": 1}}\n')
    os._exit(0)
