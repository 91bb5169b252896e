from django.urls import path

from apps.campaigns.views import limits, plan, recommendations, records

app_name = "optimization"
urlpatterns = [
    path("", plan.plan, name="plan"),
    path("plan-for/", plan.plan_for, name="plan-for"),
    path("run/", plan.run_now, name="run"),
    path("engine/", plan.engine_at_work, name="engine"),
    path("stop/", plan.stop, name="stop"),
    path("start/", plan.start, name="start"),
    path("recommendations/", recommendations.listed, name="recommendations"),
    path("recommendations/approve/", recommendations.approve_many, name="approve-many"),
    path("recommendations/<uuid:recommendation_id>/", recommendations.recommendation, name="recommendation"),
    path("recommendations/<uuid:recommendation_id>/approve/", recommendations.approve, name="approve"),
    path("recommendations/<uuid:recommendation_id>/reject/", recommendations.reject, name="reject"),
    path("recommendations/<uuid:recommendation_id>/by-hand/", recommendations.done_by_hand, name="by-hand"),
    path("recommendations/<uuid:recommendation_id>/carry-out/", recommendations.carry_out, name="carry-out"),
    path("recommendations/<uuid:recommendation_id>/roll-back/", recommendations.roll_back, name="roll-back"),
    path("recommendations/<uuid:recommendation_id>/calls/", recommendations.calls, name="calls"),
    path("log/", records.log, name="log"),
    path("log/export/", records.export, name="export"),
    path("track-record/", records.track, name="track-record"),
    path("limits/", limits.limits, name="limits"),
    path("limits/auto/", limits.auto, name="auto"),
    path("limits/caps/", limits.cap, name="cap"),
]
