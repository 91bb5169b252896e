from django.urls import path

from apps.attribution.api.views import (
    analysis,
    channel_rules,
    dead_letters,
    experiments,
    goals,
    prediction,
    tracking,
)

app_name = "attribution-api"
urlpatterns = [
    path("track/event", tracking.TrackEventView.as_view(), name="track-event"),
    path("track/conversion", tracking.TrackConversionView.as_view(), name="track-conversion"),
    path("track/batch", tracking.TrackBatchView.as_view(), name="track-batch"),
    path("track/spend", tracking.TrackSpendView.as_view(), name="track-spend"),
    path("identify", tracking.IdentifyView.as_view(), name="identify"),
    path("analyze/journey", analysis.AnalyzeJourneyView.as_view(), name="analyze-journey"),
    path("analyze/batch", analysis.AnalyzeBatchView.as_view(), name="analyze-batch"),
    path("analyze/batch/<uuid:job_id>", analysis.BatchResultView.as_view(), name="analyze-batch-result"),
    path("train/markov", analysis.TrainMarkovView.as_view(), name="train-markov"),
    path("train/conversion", prediction.TrainConversionView.as_view(), name="train-conversion"),
    path("predict/conversion", prediction.PredictConversionView.as_view(), name="predict-conversion"),
    path("predict/conversion/batch", prediction.PredictBatchView.as_view(), name="predict-conversion-batch"),
    path("models/conversion", prediction.ConversionModelView.as_view(), name="conversion-model"),
    path("accuracy", prediction.AccuracyView.as_view(), name="accuracy"),
    path("accuracy/recalibrate", prediction.RecalibrateView.as_view(), name="recalibrate"),
    path("models/status", analysis.ModelsStatusView.as_view(), name="models-status"),
    path("data-health", dead_letters.IntakeView.as_view(), name="intake"),
    path("dead-letters", dead_letters.DeadLettersView.as_view(), name="dead-letter-list"),
    path("dead-letters/replay", dead_letters.ReplayLettersView.as_view(), name="dead-letters-replay"),
    path("dead-letters/<uuid:letter_id>", dead_letters.DeadLetterView.as_view(), name="dead-letter"),
    path(
        "dead-letters/<uuid:letter_id>/replay",
        dead_letters.ReplayLetterView.as_view(),
        name="dead-letter-replay",
    ),
    path(
        "dead-letters/<uuid:letter_id>/drop", dead_letters.DropLetterView.as_view(), name="dead-letter-drop"
    ),
    path("health", analysis.HealthView.as_view(), name="health"),
    path("goals", goals.GoalsView.as_view(), name="goal-list"),
    path("goals/<slug:key>", goals.GoalView.as_view(), name="goal"),
    path("channels", tracking.ChannelsView.as_view(), name="channel-list"),
    path("channel-rules", tracking.ChannelRulesView.as_view(), name="channel-rules"),
    path("channel-rules/versions", channel_rules.RuleVersionsView.as_view(), name="channel-rule-versions"),
    path(
        "channel-rules/versions/<int:number>",
        channel_rules.RuleVersionView.as_view(),
        name="channel-rule-version",
    ),
    path(
        "channel-rules/versions/<int:number>/restore",
        channel_rules.RuleVersionRestoreView.as_view(),
        name="channel-rule-version-restore",
    ),
    path("channel-rules/preview", channel_rules.RulePreviewView.as_view(), name="channel-rules-preview"),
    path(
        "channel-rules/preview/<uuid:job_id>",
        channel_rules.RulePreviewResultView.as_view(),
        name="channel-rules-preview-result",
    ),
    path("channel-rules/apply", channel_rules.RuleHistoryView.as_view(), name="channel-rules-apply"),
    path("experiments", experiments.ExperimentsView.as_view(), name="experiment-list"),
    path("experiments/<slug:key>", experiments.ExperimentView.as_view(), name="experiment"),
    path("experiments/<slug:key>/start", experiments.ExperimentStartView.as_view(), name="experiment-start"),
    path("experiments/<slug:key>/stop", experiments.ExperimentStopView.as_view(), name="experiment-stop"),
    path(
        "experiments/<slug:key>/shares", experiments.ExperimentSharesView.as_view(), name="experiment-shares"
    ),
    path(
        "experiments/<slug:key>/decide", experiments.ExperimentDecideView.as_view(), name="experiment-decide"
    ),
    path(
        "experiments/<slug:key>/assign", experiments.ExperimentAssignView.as_view(), name="experiment-assign"
    ),
    path(
        "experiments/<slug:key>/expose", experiments.ExperimentExposeView.as_view(), name="experiment-expose"
    ),
    path(
        "experiments/<slug:key>/reading",
        experiments.ExperimentReadingView.as_view(),
        name="experiment-reading",
    ),
    path("lift-tests", experiments.LiftTestsView.as_view(), name="lift-test-list"),
    path("lift-tests/<int:lift_test_id>", experiments.LiftTestView.as_view(), name="lift-test"),
    path(
        "lift-tests/<int:lift_test_id>/retire",
        experiments.LiftTestRetireView.as_view(),
        name="lift-test-retire",
    ),
]
