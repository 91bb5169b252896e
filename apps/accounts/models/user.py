from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.db.models.functions import Lower, Now

from apps.accounts.models.workspace import WorkspaceForeignKey, WorkspaceOwned


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class User(AbstractBaseUser, PermissionsMixin):
    """Somebody who signs in, by e-mail. What they may do is said by their memberships."""

    email = models.EmailField(unique=True)
    name = models.CharField(max_length=120, blank=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False, help_text="May open the back office under /staff/.")
    created_at = models.DateTimeField(db_default=Now())

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = []

    objects = UserManager()

    class Meta:
        constraints = [models.UniqueConstraint(Lower("email"), name="user_email_once_whatever_the_case")]

    def __str__(self) -> str:
        return self.name or f"user {self.pk}"


class Membership(WorkspaceOwned):
    """What a user is in a workspace; a customer is tied to the one person whose data they may see."""

    class Role(models.TextChoices):
        OWNER = "owner"
        ADMIN = "admin"
        ANALYST = "analyst"
        OPERATOR = "operator"
        VIEWER = "viewer"
        CUSTOMER = "customer"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    role = models.CharField(max_length=10, choices=Role.choices)
    person = WorkspaceForeignKey("accounts.Person", on_delete=models.CASCADE, null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "user"], name="membership_once_per_workspace"),
            models.CheckConstraint(
                condition=models.Q(role="customer", person__isnull=False)
                | (~models.Q(role="customer") & models.Q(person__isnull=True)),
                name="membership_customer_has_a_person",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_role_display()} {self.user_id}"
