"""Run every fake: python -m tests.fakes [--port 9700]"""

import argparse
import signal
import threading

from tests.fakes.town import Town


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--port", type=int, default=9700)
    town = Town(port=arguments.parse_args().port)
    town.start()
    said = f"Fakes of {', '.join(town.fakes)} at {town.url}; start Bellwether with FAKES_URL={town.url}"
    print(said, flush=True)  # noqa: T201 - a command speaks
    for name, fake in town.fakes.items():
        if fake.hint:
            print(f"  {name}: {fake.hint}", flush=True)  # noqa: T201 - a command speaks
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    over.wait()
    town.stop()


if __name__ == "__main__":
    main()
