"""Runs of the models: kept with all that decided their result, and found again by it."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Max, Q

from apps.accounts.models import Job, Workspace
from apps.attribution.loading import SourceTable
from apps.attribution.maths.ledger import Ledger
from apps.attribution.maths.models import NONE
from apps.attribution.models import Credit, ModelRun
from apps.attribution.money import from_minor
from apps.attribution.questions import Query

# A superseded answer stays this long, for those who were told to come back for it; less where nobody was.
KEPT = timedelta(days=1)
KEPT_UNASKED = timedelta(hours=1)
BATCH = 5_000
BY_SOURCE = "source"
Kind, State = ModelRun.Kind, ModelRun.State


def find(query: Query, fingerprint: str) -> ModelRun | None:
    """The run that answers the question on the data as it is."""
    return _answering(query).filter(data_fingerprint=fingerprint).first()


def latest(query: Query) -> ModelRun | None:
    """The newest run that answers the question, on whatever data."""
    return _answering(query).first()


def next_version(kind: str, **params: Any) -> int:
    """The version after the highest of that kind and those params. Locks the workspace's row until the
    transaction ends.

    NO KEY UPDATE: it does not hold up the foreign keys of rows that are being tracked.
    """
    Workspace.objects.select_for_update(no_key=True).get()
    chosen = {f"params__{name}": value for name, value in params.items()}
    versions = ModelRun.objects.filter(kind=kind, **chosen)
    return (versions.aggregate(top=Max("version"))["top"] or 0) + 1


@transaction.atomic
def keep(
    query: Query,
    *,
    workspace: Workspace,
    fingerprint: str,
    ledgers: Sequence[Ledger],
    table: SourceTable,
    costs: dict[int, Decimal],
    totals: dict[str, Any],
    figures: dict[str, Any],
    job: Job | None,
    now: datetime,
) -> ModelRun:
    """Store an analysis with its credits by source, and drop the answers that it supersedes."""
    run: ModelRun = ModelRun.objects.create(
        workspace=workspace,
        kind=Kind.ANALYSIS,
        state=State.DONE,
        version=next_version(Kind.ANALYSIS),
        params=query.as_params(),
        params_digest=query.digest,
        data_fingerprint=fingerprint,
        figures=figures,
        job=job,
        finished_at=now,
        **totals,
    )
    rows = (row for one in ledgers for row in _credits(run, workspace, one, table, costs))
    Credit.objects.bulk_create(rows, batch_size=BATCH)
    _drop_superseded(run, query, now)
    return run


def _answering(query: Query) -> Any:
    """Newest first, without their figures, which are large and seldom wanted."""
    done = ModelRun.objects.filter(kind=Kind.ANALYSIS, state=State.DONE, params_digest=query.digest)
    answering = done.filter(params__models__contains=list(query.models))
    return answering.defer("figures").order_by("-id")


def _credits(
    run: ModelRun, workspace: Workspace, ledger: Ledger, table: SourceTable, costs: dict[int, Decimal]
) -> Iterable[Credit]:
    """One row for each source that earned or cost something, and one for what no touchpoint explains."""
    ids = [row.id for row in table.rows]
    total = float(ledger.conversions.sum())
    for source, conversions, minor in zip(
        [*ids, None], ledger.conversions.tolist(), ledger.minor.tolist(), strict=True
    ):
        cost = None if source is None else costs.get(source)
        if conversions or minor or cost is not None:
            yield Credit(
                workspace=workspace,
                run=run,
                model=ledger.model,
                group_by=BY_SOURCE,
                group_key=NONE if source is None else str(source),
                conversions=conversions,
                revenue=from_minor(minor, workspace.currency),
                share=conversions / total if total else 0.0,
                cost=cost,
            )


def _drop_superseded(run: ModelRun, query: Query, now: datetime) -> None:
    is_old = Q(finished_at__lt=now - KEPT) | Q(finished_at__lt=now - KEPT_UNASKED, job=None)
    same = ModelRun.objects.filter(kind=Kind.ANALYSIS, params_digest=query.digest, id__lt=run.pk)
    same.filter(is_old, params__models__contained_by=list(query.models)).delete()
