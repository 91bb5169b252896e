"""The few settings that differ under test."""

from config.settings import *  # noqa: F403
from config.settings import INSTALLED_APPS, LOGGING

INSTALLED_APPS = ["tests.emptying", *INSTALLED_APPS]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
LOGGING = {**LOGGING, "root": {**LOGGING["root"], "level": "WARNING"}}
# Tasks run where they are sent, once the transaction has committed.
CELERY_BROKER_URL = "memory://"
CELERY_TASK_ALWAYS_EAGER = True
VSCO_CALLS_PER_SECOND = 1_000.0
# A busy machine is no lost Redis: after one answer that is late, nothing is asked of it for two seconds.
REDIS_TIMEOUT_SECONDS = 20.0
# Whatever day it is when the tests run: those of the mode say which days are of weddings.
WEDDING_DAYS = []
