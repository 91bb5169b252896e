import apps.accounts.create_models
import apps.accounts.models.workspace
import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
import django.db.models.functions.text
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    replaces = [('accounts', '0001_initial'), ('accounts', '0002_people_indexes'), ('accounts', '0003_room_for_updates_of_people'), ('accounts', '0004_no_index_on_workspace_alone'), ('accounts', '0005_plural_names'), ('accounts', '0006_confirmed_consent'), ('accounts', '0007_what_was_confirmed_by_e_mail')]

    initial = True

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
    ]

    operations = [
        apps.accounts.create_models.CreateModels(
            models=[
                migrations.CreateModel(
                    name='AuditEntry',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('actor_kind', models.CharField(choices=[('user', 'User'), ('api_key', 'Api Key'), ('system', 'System')], max_length=10)),
                        ('actor_id', models.BigIntegerField(blank=True, null=True)),
                        ('actor_label', models.CharField(max_length=120)),
                        ('deed', models.CharField(max_length=80)),
                        ('target_kind', models.CharField(blank=True, max_length=60)),
                        ('target_id', models.CharField(blank=True, max_length=64)),
                        ('before', models.JSONField(blank=True, null=True)),
                        ('after', models.JSONField(blank=True, null=True)),
                        ('reason', models.TextField(blank=True)),
                        ('occurred_at', models.DateTimeField()),
                        ('workspace', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='accounts.workspace')),
                    ],
                    options={
                        'verbose_name_plural': 'audit entries',
                        'indexes': [models.Index(fields=['workspace', '-occurred_at'], name='audit_newest_first'), models.Index(fields=['workspace', 'target_kind', 'target_id'], name='audit_by_target')],
                    },
                ),
                migrations.CreateModel(
                    name='Workspace',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('slug', models.SlugField(max_length=60, unique=True)),
                        ('name', models.CharField(max_length=120)),
                        ('currency', models.CharField(default='GBP', max_length=3, validators=[django.core.validators.RegexValidator('^[A-Z]{3}$', 'Use the three letters of ISO 4217, such as GBP.')])),
                        ('time_zone', models.CharField(default='Europe/London', max_length=64, validators=[apps.accounts.models.workspace.check_time_zone])),
                        ('settings', models.JSONField(blank=True, default=dict)),
                        ('is_demo', models.BooleanField(default=False)),
                        ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                    ],
                ),
                migrations.CreateModel(
                    name='User',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('password', models.CharField(max_length=128, verbose_name='password')),
                        ('last_login', models.DateTimeField(blank=True, null=True, verbose_name='last login')),
                        ('is_superuser', models.BooleanField(default=False, help_text='Designates that this user has all permissions without explicitly assigning them.', verbose_name='superuser status')),
                        ('email', models.EmailField(max_length=254, unique=True)),
                        ('name', models.CharField(blank=True, max_length=120)),
                        ('is_active', models.BooleanField(default=True)),
                        ('is_staff', models.BooleanField(default=False, help_text='May open the back office under /staff/.')),
                        ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                        ('groups', models.ManyToManyField(blank=True, help_text='The groups this user belongs to. A user will get all permissions granted to each of their groups.', related_name='user_set', related_query_name='user', to='auth.group', verbose_name='groups')),
                        ('user_permissions', models.ManyToManyField(blank=True, help_text='Specific permissions for this user.', related_name='user_set', related_query_name='user', to='auth.permission', verbose_name='user permissions')),
                    ],
                    options={
                        'constraints': [models.UniqueConstraint(django.db.models.functions.text.Lower('email'), name='user_email_once_whatever_the_case')],
                    },
                ),
                migrations.CreateModel(
                    name='Person',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('public_id', models.UUIDField(default=uuid.uuid4, editable=False)),
                        ('external_id', models.CharField(blank=True, help_text="The customer's own user id.", max_length=200, null=True)),
                        ('data_key', models.BinaryField(blank=True, null=True)),
                        ('email_sealed', models.BinaryField(blank=True, null=True)),
                        ('email_index', models.BinaryField(blank=True, max_length=16, null=True)),
                        ('phone_sealed', models.BinaryField(blank=True, null=True)),
                        ('phone_index', models.BinaryField(blank=True, max_length=16, null=True)),
                        ('name_sealed', models.BinaryField(blank=True, null=True)),
                        ('traits', models.JSONField(blank=True, default=dict)),
                        ('first_seen_at', models.DateTimeField(blank=True, null=True)),
                        ('last_seen_at', models.DateTimeField(blank=True, null=True)),
                        ('erased_at', models.DateTimeField(blank=True, null=True)),
                        ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                        ('merged_into', apps.accounts.models.workspace.WorkspaceForeignKey(blank=True, db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='accounts.person')),
                        ('workspace', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='accounts.workspace')),
                    ],
                    options={
                        'indexes': [models.Index(condition=models.Q(('email_index__isnull', False)), fields=['workspace', 'email_index'], name='person_by_email_index'), models.Index(condition=models.Q(('phone_index__isnull', False)), fields=['workspace', 'phone_index'], name='person_by_phone_index'), models.Index(condition=models.Q(('merged_into__isnull', False)), fields=['workspace', 'merged_into'], name='person_by_survivor')],
                        'constraints': [models.UniqueConstraint(fields=('workspace', 'public_id'), name='person_public_id_once'), models.UniqueConstraint(fields=('workspace', 'external_id'), name='person_external_id_once')],
                        'verbose_name_plural': 'people',
                    },
                ),
                migrations.CreateModel(
                    name='PersonMerge',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('kind', models.CharField(choices=[('identified', 'Identified'), ('merged', 'Merged'), ('device_handed_over', 'Device Handed Over')], max_length=20)),
                        ('anonymous_id', models.CharField(blank=True, max_length=200)),
                        ('moved', models.JSONField(default=dict)),
                        ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                        ('absorbed', apps.accounts.models.workspace.WorkspaceForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='accounts.person')),
                        ('survivor', apps.accounts.models.workspace.WorkspaceForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='accounts.person')),
                        ('workspace', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='accounts.workspace')),
                    ],
                    options={
                        'indexes': [models.Index(fields=['workspace', 'survivor'], name='merge_by_survivor'), models.Index(fields=['workspace', 'absorbed'], name='merge_by_absorbed')],
                    },
                ),
                migrations.CreateModel(
                    name='OutboxEvent',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('name', models.CharField(max_length=100)),
                        ('payload', models.JSONField()),
                        ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                        ('due_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), null=True)),
                        ('attempts', models.PositiveSmallIntegerField(db_default=0, default=0)),
                        ('workspace', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='accounts.workspace')),
                    ],
                    options={
                        'indexes': [models.Index(condition=models.Q(('due_at__isnull', False)), fields=['due_at'], name='outbox_due'), models.Index(fields=['workspace', '-id'], name='outbox_newest_first')],
                    },
                ),
                migrations.CreateModel(
                    name='Membership',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('role', models.CharField(choices=[('owner', 'Owner'), ('admin', 'Admin'), ('analyst', 'Analyst'), ('operator', 'Operator'), ('viewer', 'Viewer'), ('customer', 'Customer')], max_length=10)),
                        ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                        ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
                        ('person', apps.accounts.models.workspace.WorkspaceForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='accounts.person')),
                        ('workspace', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='accounts.workspace')),
                    ],
                    options={
                        'constraints': [models.UniqueConstraint(fields=('workspace', 'user'), name='membership_once_per_workspace'), models.CheckConstraint(condition=models.Q(models.Q(('person__isnull', False), ('role', 'customer')), models.Q(models.Q(('role', 'customer'), _negated=True), ('person__isnull', True)), _connector='OR'), name='membership_customer_has_a_person')],
                    },
                ),
                migrations.CreateModel(
                    name='Job',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('public_id', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                        ('kind', models.CharField(max_length=60)),
                        ('title', models.CharField(max_length=200)),
                        ('state', models.CharField(choices=[('queued', 'Queued'), ('running', 'Running'), ('done', 'Done'), ('failed', 'Failed'), ('cancelled', 'Cancelled')], default='queued', max_length=10)),
                        ('done', models.BigIntegerField(default=0)),
                        ('total', models.BigIntegerField(blank=True, null=True)),
                        ('message', models.CharField(blank=True, max_length=300)),
                        ('params', models.JSONField(default=dict)),
                        ('checkpoint', models.JSONField(default=dict)),
                        ('result', models.JSONField(blank=True, null=True)),
                        ('is_cancel_asked', models.BooleanField(default=False)),
                        ('attempts', models.PositiveSmallIntegerField(default=0)),
                        ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                        ('started_at', models.DateTimeField(blank=True, null=True)),
                        ('beat_at', models.DateTimeField(blank=True, null=True)),
                        ('finished_at', models.DateTimeField(blank=True, null=True)),
                        ('created_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                        ('workspace', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='accounts.workspace')),
                    ],
                    options={
                        'indexes': [models.Index(fields=['workspace', '-id'], name='job_newest_first'), models.Index(condition=models.Q(('state__in', ['queued', 'running'])), fields=['beat_at'], name='job_unfinished')],
                    },
                ),
                migrations.CreateModel(
                    name='Erasure',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('public_id', models.UUIDField()),
                        ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                        ('workspace', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='accounts.workspace')),
                    ],
                    options={
                        'constraints': [models.UniqueConstraint(fields=('workspace', 'public_id'), name='erasure_once')],
                    },
                ),
                migrations.CreateModel(
                    name='Delivery',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('subscriber', models.CharField(max_length=200)),
                        ('state', models.CharField(choices=[('done', 'Done'), ('failing', 'Failing'), ('dead', 'Dead')], max_length=8)),
                        ('attempts', models.PositiveSmallIntegerField(default=1)),
                        ('error', models.TextField(blank=True)),
                        ('updated_at', models.DateTimeField(auto_now=True)),
                        ('event', apps.accounts.models.workspace.WorkspaceForeignKey(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='accounts.outboxevent')),
                        ('workspace', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='accounts.workspace')),
                    ],
                    options={
                        'verbose_name_plural': 'deliveries',
                        'indexes': [models.Index(condition=models.Q(('state', 'dead')), fields=['workspace', '-id'], name='delivery_dead_letters')],
                        'constraints': [models.UniqueConstraint(fields=('workspace', 'event', 'subscriber'), name='delivery_once_per_subscriber')],
                    },
                ),
                migrations.CreateModel(
                    name='ConsentRecord',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('purpose', models.CharField(max_length=60)),
                        ('is_granted', models.BooleanField()),
                        ('source', models.CharField(max_length=120)),
                        ('wording', models.TextField(blank=True)),
                        ('occurred_at', models.DateTimeField()),
                        ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                        ('person', apps.accounts.models.workspace.WorkspaceForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='accounts.person')),
                        ('workspace', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='accounts.workspace')),
                        ('is_confirmed', models.BooleanField(db_default=False, default=False)),
                    ],
                    options={
                        'indexes': [models.Index(fields=['workspace', 'person', 'purpose', 'occurred_at'], name='consent_latest')],
                        'constraints': [models.CheckConstraint(condition=models.Q(('is_confirmed', False), ('is_granted', True), _connector='OR'), name='only_a_yes_is_confirmed')],
                    },
                ),
                migrations.CreateModel(
                    name='AuditSeal',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('position', models.BigIntegerField()),
                        ('digest', models.BinaryField(max_length=32)),
                        ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                        ('entry', apps.accounts.models.workspace.WorkspaceForeignKey(db_constraint=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.auditentry')),
                        ('workspace', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='accounts.workspace')),
                    ],
                    options={
                        'constraints': [models.UniqueConstraint(fields=('workspace', 'entry'), name='audit_entry_sealed_once'), models.UniqueConstraint(fields=('workspace', 'position'), name='audit_position_once')],
                    },
                ),
                migrations.CreateModel(
                    name='ApiKey',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('name', models.CharField(max_length=80)),
                        ('prefix', models.CharField(max_length=12)),
                        ('digest', models.BinaryField(max_length=32, unique=True)),
                        ('scopes', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(choices=[('track', 'Track'), ('read', 'Read'), ('write', 'Write'), ('admin', 'Admin')], max_length=10), size=None)),
                        ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                        ('expires_at', models.DateTimeField(blank=True, null=True)),
                        ('revoked_at', models.DateTimeField(blank=True, null=True)),
                        ('last_used_at', models.DateTimeField(blank=True, null=True)),
                        ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                        ('workspace', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='accounts.workspace')),
                    ],
                    options={
                        'abstract': False,
                    },
                ),
                migrations.CreateModel(
                    name='Alias',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('anonymous_id', models.CharField(max_length=200)),
                        ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                        ('person', apps.accounts.models.workspace.WorkspaceForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='accounts.person')),
                        ('workspace', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='accounts.workspace')),
                    ],
                    options={
                        'indexes': [models.Index(fields=['workspace', 'person'], name='alias_by_person')],
                        'constraints': [models.UniqueConstraint(fields=('workspace', 'anonymous_id'), name='alias_once')],
                        'verbose_name_plural': 'aliases',
                    },
                ),
            ],
        ),
        # Every batch of events moves when its people were last seen (0003_room_for_updates_of_people).
        migrations.RunSQL(
            sql='ALTER TABLE accounts_person SET (fillfactor = 75)',
            reverse_sql=migrations.RunSQL.noop,
        ),
    ]
