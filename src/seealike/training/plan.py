"""How long a training goes on where nobody says it."""

from __future__ import annotations

from seealike.training import full, head
from seealike.training.loop import Plan
from seealike.training.options import Method, Recipe


def plan_for(recipe: Recipe) -> Plan:
    """The most passes, and the patience, of a recipe."""
    usual = head if recipe.method is Method.HEAD else full
    return Plan(recipe.epochs or usual.EPOCHS, recipe.patience or usual.PATIENCE)
