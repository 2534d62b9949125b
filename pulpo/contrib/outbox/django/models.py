"""The table of the outbox, column by column the one that SQLAlchemy's outbox has."""

from __future__ import annotations

from django.db import models

__all__ = ["OutboxJob"]


class OutboxJob(models.Model):
    """A job that is committed and not yet published."""

    number = models.BigAutoField(primary_key=True)
    # The column is called id, which Django keeps for primary keys.
    job_id = models.CharField(max_length=64, db_column="id")
    type = models.CharField(max_length=200)
    message = models.BinaryField()
    added_at = models.DateTimeField()
    refused = models.TextField(null=True, blank=True)

    class Meta:
        """Where it is, and how it is called."""

        app_label = "pulpo_outbox"
        db_table = "pulpo_outbox"
        verbose_name = "job to be published"
        verbose_name_plural = "jobs to be published"

    def __str__(self) -> str:
        return f"{self.type} {self.job_id}"
