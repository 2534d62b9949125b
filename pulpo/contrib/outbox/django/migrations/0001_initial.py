"""Make the table of the outbox."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """The first one."""

    initial = True
    dependencies = ()
    operations = (
        migrations.CreateModel(
            name="OutboxJob",
            fields=[
                ("number", models.BigAutoField(primary_key=True, serialize=False)),
                ("job_id", models.CharField(db_column="id", max_length=64)),
                ("type", models.CharField(max_length=200)),
                ("message", models.BinaryField()),
                ("added_at", models.DateTimeField()),
                ("refused", models.TextField(blank=True, null=True)),
            ],
            options={
                "verbose_name": "job to be published",
                "verbose_name_plural": "jobs to be published",
                "db_table": "pulpo_outbox",
            },
        ),
    )
