"""The supervisor: prepare, start, keep, stop."""

import asyncio
import signal
import time
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from django.conf import settings

from config import embedded
from config.supervisor import console, orphans, port
from config.supervisor.claim import Claim, Refusal
from config.supervisor.plan import Plan
from config.supervisor.program import Program, how_it_ended
from config.supervisor.watchdog import Watchdog
from config.supervisor.welcome import trouble_with, welcome

ME = "bellwether"
GRACE_SECONDS = 8
FIRST_DELAY, LONGEST_DELAY = 1.0, 30.0
STEADY_SECONDS = 60  # a child that lived this long starts again at once, not later and later
SERVICES_EVERY, WORKER_EVERY, READY_EVERY = 2.0, 15.0, 0.25
READY_SECONDS = 120


class Stopped(Exception):
    """Somebody asked it to stop."""


class Supervisor:
    def __init__(self, plan: Plan, *, grace: float = GRACE_SECONDS) -> None:
        self.plan = plan
        self.grace = grace  # seconds that a child has to end by itself
        self.stopping = asyncio.Event()
        self.repairing = asyncio.Lock()
        self.forced = False
        self.tasks: list[asyncio.Task[None]] = []
        self.started: dict[str, float] = {}

    async def run(self) -> int:
        """Serve until a signal. Returns 0 after a clean stop, 1 where it could not start, 130 if forced."""
        orphans.adopt()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._on_signal)
        try:
            with Claim(self.plan):
                return await self._run()
        except (Refusal, embedded.EmbeddedError) as refusal:
            console.show(str(refusal))
            return 1

    async def _run(self) -> int:
        try:
            await self._prepare()
            self._start()
            await self._announce()
            await self._finish_off()
            await self.stopping.wait()
        except Stopped:
            pass
        finally:
            await self._stop()
        return 130 if self.forced else 0

    async def _prepare(self) -> None:
        if taken := port.why_taken(self.plan.host, self.plan.port):
            raise Refusal(f"{taken} Stop that, or choose another port: PORT={self.plan.port + 1} make run")
        if self.plan.services:
            console.say(ME, f"Starting {' and '.join(self.plan.services)}")
            await self._ensure()
        for step in self.plan.steps:
            if code := await self._unless_stopped(step.run()):
                raise Refusal(f"The step '{step.name}' {how_it_ended(code)}: see its lines above.")

    def _start(self) -> None:
        work = [self._keep(child) for child in self.plan.children]
        if self.plan.services:
            work.append(self._keep_services())
        if self.plan.worker:
            work.append(self._keep_working(self.plan.worker))
        self.tasks = [asyncio.create_task(each) for each in work]
        for task in self.tasks:
            task.add_done_callback(_report)

    async def _finish_off(self) -> None:
        """What needs the children to run. It fails with a line, and stops nothing."""
        for program in self.plan.afterwards:
            if code := await self._unless_stopped(program.run()):
                console.say(ME, f"{program.name} {how_it_ended(code)}: see its lines above.")

    async def _keep(self, child: Program) -> None:
        """Run the child again whenever it ends, later and later while it does not live long."""
        delay = FIRST_DELAY
        while True:
            self.started[child.name] = time.time()
            code = await child.run()
            if self.stopping.is_set():
                return
            lived = time.time() - self.started[child.name]
            delay = FIRST_DELAY if lived > STEADY_SECONDS else delay
            console.say(ME, f"{child.name} {how_it_ended(code)}; starting it again in {delay:g} s")
            if await self._idle(delay):
                return
            await self._repair()  # it may have died of a lost service, and would again
            delay = min(2 * delay, LONGEST_DELAY)

    async def _keep_services(self) -> None:
        while not await self._idle(SERVICES_EVERY):
            await self._repair()

    async def _repair(self) -> None:
        try:
            for name in await self._ensure():
                console.say(ME, f"{name} was gone; it runs again")
        except embedded.EmbeddedError as error:
            console.say(ME, str(error))

    async def _keep_working(self, name: str) -> None:
        worker = next(child for child in self.plan.children if child.name == name)
        limit = settings.CELERY_TASK_HARD_LIMIT_SECONDS
        watchdog = Watchdog(settings.REDIS_URL, settings.CELERY_BROKER_URL, settings.CELERY_QUEUES, limit)
        before = None
        while not await self._idle(WORKER_EVERY):
            complaint = await watchdog.complaint(self.started[name])
            if complaint and before:  # twice: a queue may hold something at any one moment
                console.say(ME, f"{name}: {complaint}; it is restarted")
                worker.kill()
                complaint = None
            before = complaint

    async def _announce(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        trouble = await asyncio.to_thread(trouble_with, self.plan.address)
        while trouble and time.monotonic() < deadline:
            if await self._idle(READY_EVERY):
                raise Stopped
            trouble = await asyncio.to_thread(trouble_with, self.plan.address)
        console.show(welcome(self.plan, trouble))

    async def _stop(self) -> None:
        self.stopping.set()
        if self.tasks:
            console.say(ME, "Stopping")
        for child in self.plan.children:
            child.terminate()
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=0 if self.forced else self.grace)
        for child in self.plan.children:
            child.kill()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await asyncio.to_thread(embedded.release, self.plan.root)
        orphans.bury()
        console.say(ME, "Stopped")

    def _on_signal(self) -> None:
        self.forced = self.stopping.is_set()
        self.stopping.set()
        if self.forced:
            for program in (*self.plan.steps, *self.plan.children, *self.plan.afterwards):
                program.kill()

    async def _ensure(self) -> tuple[str, ...]:
        """In a thread, one at a time, and always to its end: half-started services would outlive us."""
        async with self.repairing:
            return await asyncio.to_thread(embedded.ensure, self.plan.root, services=self.plan.services)

    async def _idle(self, seconds: float) -> bool:
        """Wait, or less if asked to stop; true then."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.stopping.wait(), seconds)
        return self.stopping.is_set()

    async def _unless_stopped(self, work: Coroutine[Any, Any, int]) -> int:
        task, stop = asyncio.create_task(work), asyncio.create_task(self.stopping.wait())
        await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if not task.done():
            task.cancel()
        with suppress(asyncio.CancelledError):
            code = await task
            if not self.stopping.is_set():
                return code
        raise Stopped


def _report(task: asyncio.Task[None]) -> None:
    """A task that failed must not do so in silence: nothing looks after its part any more."""
    if not task.cancelled() and (error := task.exception()):
        console.say(ME, f"A part of the supervisor failed: {error!r}. Restart it.")
