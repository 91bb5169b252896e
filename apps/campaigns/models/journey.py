from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apps.accounts.models import Person, Workspace, WorkspaceForeignKey, WorkspaceOwned
from apps.integrations.ids import uuid7


class Journey(WorkspaceOwned):
    """A path that people are led along, step by step: who enters, what happens, what ends it.

    draft: the graph that is being edited (journeys/graph.py), revision its count of changes. live: the number
    of the version that people enter, 0 before the first. live_since: what happened earlier brings nobody in.
    """

    class State(models.TextChoices):
        DRAFT = "draft"
        LIVE = "live"
        PAUSED = "paused"
        STOPPED = "stopped"

    public_id = models.UUIDField(default=uuid7, editable=False)
    name = models.CharField(max_length=120)
    state = models.CharField(max_length=7, choices=State.choices, default=State.DRAFT)
    state_reason = models.CharField(max_length=300, blank=True)
    draft = models.JSONField(default=dict, blank=True)
    revision = models.PositiveIntegerField(default=1)
    live = models.PositiveIntegerField(default=0)
    live_since = models.DateTimeField(null=True, blank=True)
    # How many people may enter in a day of the workspace, how many have, and how many were turned away.
    entries_a_day = models.PositiveIntegerField(default=1_000)
    entered_on = models.DateField(null=True, blank=True)
    entered_today = models.PositiveIntegerField(default=0)
    turned_away_today = models.PositiveIntegerField(default=0)
    # When audiences and dates were last looked at for people who are to enter.
    looked_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    created_by = models.CharField(max_length=200, blank=True)
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "public_id"], name="journey_public_id_once"),
            models.CheckConstraint(condition=Q(entries_a_day__gte=1), name="journey_has_a_limit"),
        ]
        indexes = [
            models.Index(fields=["workspace", "-id"], name="journey_newest_first"),
            models.Index(fields=["workspace"], condition=Q(state="live"), name="journey_live"),
        ]

    def __str__(self) -> str:
        return self.name


class JourneyVersion(WorkspaceOwned):
    """A graph as it was published; the application's role may add versions and change none.

    listens: the sources (journeys/sources.py) that bring people in, or whose news those in flight wait for.
    """

    # Nobody deletes a journey that was published; nor could versions go with it.
    journey = WorkspaceForeignKey(Journey, on_delete=models.DO_NOTHING, db_index=False)
    number = models.PositiveIntegerField()
    graph = models.JSONField()
    listens = ArrayField(models.CharField(max_length=80), default=list, blank=True)
    published_at = models.DateTimeField()
    published_by = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "journey", "number"], name="journey_version_once")
        ]

    def __str__(self) -> str:
        return f"version {self.number}"


class JourneyRun(WorkspaceOwned):
    """A person on their way, or one who was.

    cause: what brought them in, once each. step: where they are. clock: when they came there. until: when the
    wait there ends; empty where the step has not been taken up yet. due_at: when to look next. facts: what
    the news that brought them in told.
    """

    class Outcome(models.TextChoices):
        FINISHED = "finished", "came to the end"
        EXIT = "exit", "left at an exit"
        GOAL = "goal", "reached the goal"
        REPLIED = "replied"
        UNSUBSCRIBED = "unsubscribed"
        ERASED = "erased"
        MERGED = "merged", "became one with somebody on the same way"
        MOVED_OUT = "moved_out", "taken out by a change of version"
        STOPPED = "stopped", "the journey was stopped"
        FAILED = "failed", "a step failed again and again"

    # The journey's own foreign key says which workspaces there are.
    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    journey = WorkspaceForeignKey(
        Journey, on_delete=models.CASCADE, db_index=False, is_checked_by_statement=True
    )
    version = models.PositiveIntegerField()
    person = WorkspaceForeignKey(
        Person, on_delete=models.CASCADE, db_index=False, is_checked_by_statement=True
    )
    cause = models.CharField(max_length=120)
    is_open = models.BooleanField(default=True)
    step = models.CharField(max_length=40)
    clock = models.DateTimeField()
    until = models.DateTimeField(null=True, blank=True)
    due_at = models.DateTimeField()
    moves = models.PositiveIntegerField(default=0)
    failures = models.PositiveSmallIntegerField(default=0)
    trouble = models.CharField(max_length=300, blank=True, default="")
    facts = models.JSONField(default=dict, blank=True)
    entered_at = models.DateTimeField()
    outcome = models.CharField(max_length=12, choices=Outcome.choices, blank=True, default="")
    left_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "journey", "person"],
                condition=Q(is_open=True),
                name="journey_run_open_once",
            ),
            models.UniqueConstraint(
                fields=["workspace", "journey", "person", "cause"], name="journey_run_cause_once"
            ),
            models.CheckConstraint(
                condition=Q(is_open=True, outcome="") | (Q(is_open=False) & ~Q(outcome="")),
                name="journey_run_left_with_outcome",
            ),
        ]
        indexes = [
            models.Index(
                fields=["workspace", "journey", "due_at"], condition=Q(is_open=True), name="journey_run_due"
            ),
            models.Index(
                fields=["workspace", "journey", "version", "step"],
                condition=Q(is_open=True),
                name="journey_run_waiting",
            ),
            models.Index(fields=["workspace", "person"], name="journey_run_of_person"),
            models.Index(fields=["workspace", "journey", "-id"], name="journey_run_newest"),
        ]

    def __str__(self) -> str:
        return f"run {self.pk}"


class JourneyMove(WorkspaceOwned):
    """One move of a run, never changed: from a step by one of its ways out. number: of the run's moves.

    The step before the first is empty. way: then, yes, no, otherwise, missing, arm:a; leave:goal and its like
    where the person left; moved where a change of version put them.
    """

    run = WorkspaceForeignKey(
        JourneyRun, on_delete=models.DO_NOTHING, db_index=False, is_checked_by_statement=True
    )
    journey = WorkspaceForeignKey(
        Journey, on_delete=models.DO_NOTHING, db_index=False, is_checked_by_statement=True
    )
    version = models.PositiveIntegerField()
    number = models.PositiveIntegerField()
    step = models.CharField(max_length=40, blank=True)
    way = models.CharField(max_length=40)
    # What the step did not do, and why; empty where it did.
    because = models.CharField(max_length=200, blank=True)
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "run", "number"], name="journey_move_once")
        ]
        indexes = [
            models.Index(
                fields=["workspace", "journey", "version", "step", "way", "-id"], name="journey_move_of_edge"
            )
        ]

    def __str__(self) -> str:
        return f"{self.step} {self.way}"


class JourneyCount(WorkspaceOwned):
    """How often each way out of a step was taken, counted in the transaction of the moves."""

    journey = WorkspaceForeignKey(Journey, on_delete=models.CASCADE, db_index=False)
    version = models.PositiveIntegerField()
    step = models.CharField(max_length=40, blank=True)
    way = models.CharField(max_length=40)
    moves = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "journey", "version", "step", "way"], name="journey_count_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.step} {self.way}: {self.moves}"


class JourneyNews(WorkspaceOwned):
    """What was heard of somebody in flight that their version listens to; each once per run."""

    run = WorkspaceForeignKey(
        JourneyRun, on_delete=models.CASCADE, db_index=False, is_checked_by_statement=True
    )
    source = models.CharField(max_length=80)
    cause = models.CharField(max_length=120)
    facts = models.JSONField(default=dict, blank=True)
    occurred_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "journey news"
        constraints = [
            models.UniqueConstraint(fields=["workspace", "run", "cause"], name="journey_news_once")
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.cause}"


class JourneyTask(WorkspaceOwned):
    """Something that a colleague is to do for a person in flight, once per visit of the step."""

    class State(models.TextChoices):
        OPEN = "open"
        DONE = "done"
        NOT_DONE = "not_done", "not done"
        DROPPED = "dropped"

    public_id = models.UUIDField(default=uuid7, editable=False)
    run = WorkspaceForeignKey(
        JourneyRun, on_delete=models.CASCADE, db_index=False, is_checked_by_statement=True
    )
    journey = WorkspaceForeignKey(
        Journey, on_delete=models.CASCADE, db_index=False, is_checked_by_statement=True
    )
    person = WorkspaceForeignKey(
        Person, on_delete=models.CASCADE, db_index=False, is_checked_by_statement=True
    )
    number = models.PositiveIntegerField()
    step = models.CharField(max_length=40)
    title = models.CharField(max_length=120)
    note = models.CharField(max_length=600, blank=True)
    due_at = models.DateTimeField()
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN)
    settled_at = models.DateTimeField(null=True, blank=True)
    settled_by = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "public_id"], name="journey_task_public_id_once"),
            models.UniqueConstraint(fields=["workspace", "run", "number"], name="journey_task_once"),
        ]
        indexes = [
            models.Index(fields=["workspace", "due_at"], condition=Q(state="open"), name="journey_task_open"),
            models.Index(fields=["workspace", "person"], name="journey_task_of_person"),
        ]

    def __str__(self) -> str:
        return self.title


class JourneyPresence(WorkspaceOwned):
    """Who fits the audience that brings people into a journey: only who comes to fit enters."""

    journey = WorkspaceForeignKey(Journey, on_delete=models.CASCADE, db_index=False)
    entry = models.PositiveSmallIntegerField()
    person = WorkspaceForeignKey(
        Person, on_delete=models.CASCADE, db_index=False, is_checked_by_statement=True
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "journey", "entry", "person"], name="journey_presence_once"
            )
        ]
        indexes = [models.Index(fields=["workspace", "person"], name="journey_presence_person")]

    def __str__(self) -> str:
        return f"{self.person_id} fits entry {self.entry}"


class JourneyReading(WorkspaceOwned):
    """How far a table is read for journeys: rows up to `read_to` were; ids up to `seen_to` were handed out
    while the transactions `writers` wrote to it, so that none can appear any more once those are over.
    """

    source = models.CharField(max_length=80)
    read_to = models.BigIntegerField()
    seen_to = models.BigIntegerField()
    writers = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    read_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "source"], name="journey_reading_once")]

    def __str__(self) -> str:
        return f"{self.source} up to {self.read_to}"
