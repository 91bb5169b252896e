"""All settings, from the environment.

Without URLs the embedded PostgreSQL and Redis are meant (config/embedded.py).
"""

import base64
import hashlib
import os
from pathlib import Path
from typing import Any

import environ
import structlog
from csp.constants import SELF
from django.core.exceptions import ImproperlyConfigured

from config import embedded
from config.log_filters import without_values

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
environ.Env.read_env(BASE_DIR / ".env")

BELLWETHER_ENV = env.str("BELLWETHER_ENV", default="development")
IS_PRODUCTION = BELLWETHER_ENV == "production"
DEBUG = env.bool("DEBUG", default=False)


def _secret(name: str) -> str:
    """The secret from the environment; in development one made once under .bellwether/secrets."""
    if value := env.str(name, default=""):
        return value
    if IS_PRODUCTION:
        raise ImproperlyConfigured(f"{name} is not set: production has no default for a secret")
    return embedded.secret(BASE_DIR, name.lower())


SECRET_KEY = _secret("SECRET_KEY")
# A list, comma-separated: the first seals, all of them open. Each is "key-id:base64 of 32 bytes".
SEALING_KEYS = env.list("SEALING_KEYS", default=[])
if not SEALING_KEYS:
    _key = hashlib.sha256(_secret("SEALING_KEYS").encode()).digest()
    SEALING_KEYS = [f"dev1:{base64.b64encode(_key).decode()}"]
BLIND_INDEX_KEY = _secret("BLIND_INDEX_KEY")

ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
SITE_URL = env.str("SITE_URL", default="http://localhost:8000").rstrip("/")

INSTALLED_APPS = [
    "apps.accounts",
    "apps.integrations",
    "apps.attribution",
    "apps.campaigns",
    "config",
    "config.back_office.BackOfficeConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.forms",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_filters",
    "django_celery_beat",
    "waffle",
    "django_htmx",
    "template_partials",
    "csp",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "apps.accounts.middleware.RequestLogMiddleware",
    "apps.accounts.api.shape.ApiShapeMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "apps.accounts.middleware.SlashForReadersMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "apps.accounts.middleware.WorkspaceMiddleware",
]

ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "apps.accounts.context.shell",
            ],
        },
    },
]

# Lets templates/django/forms/ say how a field looks.
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"

# Two URLs, two roles: the application's role obeys row-level security, the owner migrates.
EMBEDDED_SERVICES = embedded.missing(os.environ)
if EMBEDDED_SERVICES and IS_PRODUCTION:
    raise ImproperlyConfigured("production needs DATABASE_URL, OWNER_DATABASE_URL and REDIS_URL")
_embedded = embedded.urls(BASE_DIR) if EMBEDDED_SERVICES else None
if _embedded and "postgres" in EMBEDDED_SERVICES:
    DATABASES = {
        "default": env.db_url_config(_embedded.database_url),
        "owner": env.db_url_config(_embedded.owner_database_url),
    }
else:
    DATABASES = {"default": env.db_url("DATABASE_URL"), "owner": env.db_url("OWNER_DATABASE_URL")}
for _database in DATABASES.values():
    _database["ENGINE"] = "django.db.backends.postgresql"
    _database.setdefault("OPTIONS", {})
    _database["CONN_HEALTH_CHECKS"] = True
    _database["OPTIONS"]["application_name"] = "bellwether"
    # COMMIT returns once the change is on disk, whatever the server's default.
    _database["OPTIONS"]["options"] = " ".join(
        [_database["OPTIONS"].get("options", ""), "-c synchronous_commit=on"]
    ).strip()
DATABASES["owner"]["TEST"] = {"MIGRATE": True}
# Web threads share a pool; workers and commands hold one connection each.
WEB_THREADS = env.int("WEB_THREADS", default=20)
DATABASE_POOL_SIZE = env.int("DATABASE_POOL_SIZE", default=0)
if DATABASE_POOL_SIZE:
    # A web request that nobody waits for any more ends; workers take the time that their work takes.
    _limit_ms = env.int("WEB_STATEMENT_TIMEOUT_SECONDS", default=60) * 1000
    DATABASES["default"]["OPTIONS"]["options"] += f" -c statement_timeout={_limit_ms}"
    DATABASES["default"]["OPTIONS"]["pool"] = {"min_size": 2, "max_size": DATABASE_POOL_SIZE, "timeout": 10}
DATABASE_ROUTERS = ["apps.accounts.tenancy.OwnerMigrates"]
# The role that may read across workspaces; the application's role enters it through one audited door.
ACROSS_ROLE = env.str("ACROSS_ROLE", default=f"{DATABASES['default']['USER']}_across")
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = _embedded.redis_url if _embedded and "redis" in EMBEDDED_SERVICES else env.str("REDIS_URL")
# A web request waits no longer for it; then it counts as lost (apps/accounts/redis_link.py).
REDIS_TIMEOUT_SECONDS = 0.25
CACHES = {
    "default": {"BACKEND": "apps.accounts.cache.RedisOrMemory", "LOCATION": REDIS_URL},
    # What pages and answers look like once computed (attribution/drawings.py): about 12 MB at most.
    "drawings": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "LOCATION": "drawings",
        "OPTIONS": {"MAX_ENTRIES": 100},
        "TIMEOUT": 3600,
    },
}

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_ADAPTER = "apps.accounts.sign_in.InvitedOnly"
ACCOUNT_FORMS = {
    "login": "apps.accounts.sign_in_forms.SignInForm",
    "reauthenticate": "apps.accounts.sign_in_forms.ConfirmForm",
    "reset_password": "apps.accounts.sign_in_forms.AskForLinkForm",
    "reset_password_from_key": "apps.accounts.sign_in_forms.FirstPasswordForm",
    "change_password": "apps.accounts.sign_in_forms.NewPasswordForm",
}
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_RATE_LIMITS = {"login_failed": "10/m/ip,5/5m/key"}
ACCOUNT_SESSION_REMEMBER = True
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "Bellwether"
MFA_FORMS = {
    "authenticate": "apps.accounts.sign_in_forms.CodeForm",
    "reauthenticate": "apps.accounts.sign_in_forms.ConfirmCodeForm",
    "activate_totp": "apps.accounts.sign_in_forms.ActivateForm",
}
CSRF_FAILURE_VIEW = "apps.accounts.views.errors.csrf_failure"
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
EMAIL_CONFIG = env.email_url("EMAIL_URL", default="consolemail://")
vars().update(EMAIL_CONFIG)
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="Bellwether <bellwether@localhost>")

SESSION_ENGINE = "django.contrib.sessions.backends.db"
SESSION_COOKIE_AGE = env.int("SESSION_COOKIE_AGE_SECONDS", default=14 * 24 * 3600)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = env.bool("COOKIES_SECURE", default=IS_PRODUCTION)
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=IS_PRODUCTION)
SECURE_REDIRECT_EXEMPT = [r"^health/", r"^metrics$"]
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=31_536_000 if IS_PRODUCTION else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = env.bool("SECURE_HSTS_ALL", default=IS_PRODUCTION)
SECURE_REFERRER_POLICY = "same-origin"
if env.bool("BEHIND_TLS_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:", "blob:"],
        "object-src": ["'none'"],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": ["'none'"],
    }
}

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False

STATIC_URL = "/static/"
# Production serves hashed copies made by collectstatic; elsewhere files come from where they are found.
STATIC_ROOT = BASE_DIR / ".bellwether" / "static" if IS_PRODUCTION else None
STATICFILES_FINDERS = [
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
    "config.static_files.PlotlyScript",
]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if IS_PRODUCTION
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
WHITENOISE_KEEP_ONLY_HASHED_FILES = True
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = not IS_PRODUCTION
MEDIA_ROOT = env.path("MEDIA_ROOT", default=str(BASE_DIR / ".bellwether" / "media"))
UPLOAD_MAX_BYTES = env.int("UPLOAD_MAX_BYTES", default=1024**3)
# How long the body of a request may take to arrive.
BODY_SECONDS, UPLOAD_SECONDS = (
    env.float("BODY_SECONDS", default=30),
    env.float("UPLOAD_SECONDS", default=3600),
)
API_BODY_MAX_BYTES = env.int("API_BODY_MAX_BYTES", default=5 * 1024**2)
DATA_UPLOAD_MAX_MEMORY_SIZE = API_BODY_MAX_BYTES

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["apps.accounts.api.authentication.RequestActorAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["apps.accounts.api.permissions.ScopePermission"],
    "DEFAULT_PARSER_CLASSES": ["apps.accounts.api.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_THROTTLE_CLASSES": ["apps.accounts.throttling.FamilyThrottle"],
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_PAGINATION_CLASS": "apps.accounts.api.pagination.Pages",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "apps.accounts.api.errors.answer",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "COERCE_DECIMAL_TO_STRING": True,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Bellwether",
    "DESCRIPTION": "Which touchpoints earned the revenue, and what to do about it.",
    "VERSION": "1",
    "SERVE_PUBLIC": True,
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "PREPROCESSING_HOOKS": ["apps.accounts.api.schema.only_versioned"],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "apps.accounts.api.schema.add_refusals",
    ],
    "ENUM_NAME_OVERRIDES": {
        "ApiKeyScope": "apps.accounts.models.ApiKey.Scope",
        "JobState": "apps.accounts.models.Job.State",
        "ActorKind": "apps.accounts.models.AuditEntry.ActorKind",
        "DeadLetterKind": "apps.attribution.models.DeadLetter.Kind",
        "DeadLetterState": "apps.attribution.models.DeadLetter.State",
        "DeadLetterReason": "apps.attribution.models.Reason",
        "ConnectionState": "apps.integrations.models.Connection.State",
        "CallState": "apps.integrations.models.Call.State",
        "IncidentState": "apps.integrations.models.Incident.State",
        "RecommendationKind": "apps.campaigns.models.Kind",
        "LiftTestKind": "apps.attribution.models.LiftTest.Kind",
        "AudienceKind": "apps.campaigns.models.Audience.Kind",
        "SuppressionReason": "apps.integrations.models.Suppression.Reason",
        "CampaignKind": "apps.campaigns.models.Campaign.Kind",
        "CampaignState": "apps.campaigns.models.Campaign.State",
    },
}
# Flags of risky capabilities: one row each, per workspace and percentage (campaigns/flags.py).
WAFFLE_FLAG_MODEL = "campaigns.Flag"
# What the operator switches off for every workspace, whatever its flags say.
MARKETING_AUTOMATION_ENABLED = env.bool("MARKETING_AUTOMATION_ENABLED", default=True)
AI_CONTENT_GENERATION_ENABLED = env.bool("AI_CONTENT_GENERATION_ENABLED", default=True)
# Requests a minute per API key and route family; a workspace may override each in its settings.
RATE_LIMITS = {
    "attribution": env.int("RATE_LIMIT_ATTRIBUTION", default=200),
    "tracking": env.int("RATE_LIMIT_TRACKING", default=60_000),
    "campaigns": env.int("RATE_LIMIT_CAMPAIGNS", default=100),
    "ai_content": env.int("RATE_LIMIT_AI_CONTENT", default=20),
    "viral": env.int("RATE_LIMIT_VIRAL", default=500),
    "general": env.int("RATE_LIMIT_GENERAL", default=600),
}
# Of what services send to /hooks/, a minute: how many refused ones an address has before it is turned away,
# and how many verified ones a connection may send.
HOOK_REFUSALS_PER_MINUTE = env.int("HOOK_REFUSALS_PER_MINUTE", default=60)
HOOK_DELIVERIES_PER_MINUTE = env.int("HOOK_DELIVERIES_PER_MINUTE", default=3_000)
# Links, and pictures, of messages that are asked for from one network, a minute.
LETTER_REQUESTS_PER_MINUTE = env.int("LETTER_REQUESTS_PER_MINUTE", default=120)
# How many web processes share the traffic: a process's share of a limit while Redis is lost.
WEB_PROCESSES = env.int("WEB_PROCESSES", default=1)
# Who may read /metrics from elsewhere; empty: this machine only.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")

# An analysis of more touchpoints than this is a job; its answer serves every reader for the seconds below.
ATTRIBUTION_INLINE_TOUCHES = env.int("ATTRIBUTION_INLINE_TOUCHES", default=300_000)
# What a question may do before it answers: people counted anew, touches and conversions of theirs read,
# distinct paths of a journey book credited.
ATTRIBUTION_INLINE_PEOPLE = env.int("ATTRIBUTION_INLINE_PEOPLE", default=2_000)
ATTRIBUTION_INLINE_ROWS = env.int("ATTRIBUTION_INLINE_ROWS", default=50_000)
ATTRIBUTION_INLINE_PATHS = env.int("ATTRIBUTION_INLINE_PATHS", default=20_000)
ATTRIBUTION_REUSE_SECONDS = env.int("ATTRIBUTION_REUSE_SECONDS", default=300)

# Where a service is, where that is not where it says: {"meta_ads": "https://proxy.example"}; its paths stay.
INTEGRATION_URLS: dict[str, str] = env.json("INTEGRATION_URLS", default={})
# Fakes of every service (`manage.py fakes`), for a trial without accounts: never in production.
FAKES_URL = env.str("FAKES_URL", default="").rstrip("/")
if FAKES_URL and IS_PRODUCTION:
    raise ImproperlyConfigured("FAKES_URL sends everything to fakes: it has no place in production")
INTEGRATION_VERSIONS: dict[str, str] = env.json("INTEGRATION_VERSIONS", default={})
# This product's id and secret at each service with a sign-in: {"meta_ads": ["id", "secret"]}.
OAUTH_CLIENTS: dict[str, tuple[str, str]] = {
    name: (pair[0], pair[1]) for name, pair in env.json("OAUTH_CLIENTS", default={}).items()
}
# Where every workspace's alerts go besides its own channels, signed; and the secret of the signature.
MARKETING_ALERT_WEBHOOK_URL = env.str("MARKETING_ALERT_WEBHOOK_URL", default="")
MARKETING_ALERT_WEBHOOK_SECRET = (
    _secret("MARKETING_ALERT_WEBHOOK_SECRET") if MARKETING_ALERT_WEBHOOK_URL else ""
)
# Asked each minute while rules are looked at; whoever is behind it speaks up when that stops.
DEAD_MAN_URL = env.str("DEAD_MAN_URL", default="")
# The share of calls to a service that should succeed in 30 days.
INTEGRATION_OBJECTIVE = env.float("INTEGRATION_OBJECTIVE", default=0.995)
if not 0 < INTEGRATION_OBJECTIVE < 1:
    raise ImproperlyConfigured("INTEGRATION_OBJECTIVE is a share between 0 and 1, such as 0.995")
# Whether VSCO Workspace counts money in the minor unit; its description says "an integer" and no more.
VSCO_COUNTS_CENTS = env.bool("VSCO_COUNTS_CENTS", default=True)
# Its quota is not published either.
VSCO_CALLS_PER_SECOND = env.float("VSCO_CALLS_PER_SECOND", default=1.0)
# The language model that workspaces use unless they connect their own address.
LLM_BASE_URL = env.str("LLM_BASE_URL", default="")
LLM_API_KEY = env.str("LLM_API_KEY", default="")
LLM_MODEL = env.str("LLM_MODEL", default="")
# What a workspace may use in a day, in tokens, unless its connection says less.
LLM_DAILY_TOKENS = env.int("LLM_DAILY_TOKENS", default=500_000)
LLM_CACHE_SECONDS = env.int("LLM_CACHE_SECONDS", default=7 * 24 * 3600)
# The messages that a wedding day cannot wait for: they go first, and to whichever provider takes them.
WEDDING_DAY_TEMPLATES = frozenset(
    env.list(
        "WEDDING_DAY_TEMPLATES",
        default=["wedding_day_reminder", "wedding_day_timeline", "wedding_day_change"],
    )
)
# On these days, by the workspace's clock, only what cannot wait is done, unless a workspace sets its own.
WEDDING_DAYS: list[str] = env.list("WEDDING_DAYS", default=["saturday"])
# Of this product at Google, beside its id and secret.
GOOGLE_ADS_DEVELOPER_TOKEN = env.str("GOOGLE_ADS_DEVELOPER_TOKEN", default="")
# How old a conversion may be at a destination, in days, where that is not what its module knows:
# {"tiktok_conversions": 28}.
CONVERSION_AGE_DAYS: dict[str, int] = env.json("CONVERSION_AGE_DAYS", default={})
# How long calls to services that are over, and their trails, are kept; 30 days at least.
CALLS_KEPT_DAYS: int = max(30, env.int("CALLS_KEPT_DAYS", default=400))
# What a social network charges ({"x_social": {"create": "0.015"}}) and which of its metrics are read, by what
# they mean ({"facebook_posts": {"views": ["post_total_media_view_unique"]}}): both change without a release.
SOCIAL_PRICES: dict[str, dict[str, str]] = env.json("SOCIAL_PRICES", default={})
SOCIAL_METRICS: dict[str, dict[str, list[str]]] = env.json("SOCIAL_METRICS", default={})
# What an account that is charged for posts may spend in a day, in the network's currency, until somebody says
# otherwise.
SOCIAL_DAILY_LIMIT = env.str("SOCIAL_DAILY_LIMIT", default="1.00")
# How many processes call services: a process's share of a limit while Redis is lost.
CALLING_PROCESSES = env.int("CALLING_PROCESSES", default=3)
# How many workers send campaigns at once, each one chunk of one campaign at a time.
DELIVERY_SENDERS = env.int("DELIVERY_SENDERS", default=2)

CELERY_BROKER_URL = (
    REDIS_URL.replace("unix://", "redis+socket://") if REDIS_URL.startswith("unix://") else REDIS_URL
)
# Calls to services wait in queues of their own, so that a slow one holds up nothing else.
CELERY_QUEUES = ("critical", "default", "events", "calls", "delivery", "long")
CELERY_TASK_HARD_LIMIT_SECONDS = 1800

LOG_LEVEL = env.str("LOG_LEVEL", default="INFO")
LOG_FORMAT = env.str("LOG_FORMAT", default="json" if IS_PRODUCTION else "console")
_processors: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
    without_values,
]
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": structlog.stdlib.ProcessorFormatter,
            "processors": [
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer()
                if LOG_FORMAT == "json"
                else structlog.dev.ConsoleRenderer(colors=False),
            ],
            "foreign_pre_chain": _processors,
        }
    },
    "filters": {"routes": {"()": "config.log_filters.RoutesForPaths"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["routes"]}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        "django.server": {"handlers": ["stderr"], "propagate": False},
        "uvicorn.access": {"level": "WARNING"},
    },
}
structlog.configure(
    processors=[*_processors, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
    logger_factory=structlog.stdlib.LoggerFactory(),
    wrapper_class=structlog.stdlib.BoundLogger,
    cache_logger_on_first_use=True,
)
SILENCED_SYSTEM_CHECKS: list[str] = []
