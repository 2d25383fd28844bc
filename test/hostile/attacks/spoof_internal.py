# Tries: to blame the service: an error whose code is the service's own, and codes that do not exist.
# Must hold: the service's own code is not in the answer.
# Ends: crashed
import os


def main(**_):
    os.write(4, b'{"error": {"code": "internal", "message": "forged"}}\n{"error": {"code": "canceled"}}\n')
    os._exit(0)
