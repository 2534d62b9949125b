"""Make the table of orders."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """The first one."""

    initial = True
    operations = (
        migrations.CreateModel(
            name="Order",
            fields=[
                ("id", models.BigAutoField(primary_key=True)),
                ("book", models.CharField(max_length=100)),
                ("copies", models.PositiveIntegerField()),
                ("is_packed", models.BooleanField(default=False)),
            ],
        ),
    )
