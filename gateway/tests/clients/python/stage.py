"""What the drivers of this folder share.

Orders come in on stdin, a JSON object a line: `do` names a method of the driver, the rest are its arguments. Each is
answered with `{"answer": …}` or `{"failed": …}`; what the client hears meanwhile goes out as `{"event": …}` and so on.
"""

import asyncio
import json
import sys
import threading

_one_line_at_a_time = threading.Lock()


def say(**fields):
    """Prints one line. Numbers that a client made decimals of become numbers again."""
    with _one_line_at_a_time:
        print(json.dumps(fields, default=float), flush=True)


def failure(error):
    return f"{type(error).__name__}: {error}"


def obey(driver):
    """Performs orders until there are no more, for clients with threads."""
    for line in sys.stdin:
        order = json.loads(line)
        try:
            say(answer=getattr(driver, order.pop("do"))(**order))
        except Exception as error:
            say(failed=failure(error))


async def obey_async(driver):
    """Performs orders until there are no more, for clients of asyncio."""
    while line := await asyncio.to_thread(sys.stdin.readline):
        order = json.loads(line)
        try:
            say(answer=await getattr(driver, order.pop("do"))(**order))
        except Exception as error:
            say(failed=failure(error))
