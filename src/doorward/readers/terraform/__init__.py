"""Terraform and OpenTofu plans: ``read_plan`` is the way in; everything else here is its inside."""

from __future__ import annotations

from doorward.readers.terraform.plan import parse, read_plan

__all__ = ["parse", "read_plan"]
