"""What is liked and what is not, as it is typed: items, products, files and words, each with a weight."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import click

from seealike.cli.options.basic import Function, Gathered, together


@dataclass(frozen=True, slots=True)
class TypedExamples:
    """What was typed, in the order of its kinds."""

    like: tuple[str, ...]
    dislike: tuple[str, ...]
    like_file: tuple[str, ...]
    dislike_file: tuple[str, ...]
    like_text: tuple[str, ...]
    dislike_text: tuple[str, ...]
    like_product: tuple[str, ...]
    dislike_product: tuple[str, ...]

    @property
    def any_liked(self) -> bool:
        """Whether there is something to go by."""
        return bool(self.like or self.like_file or self.like_text or self.like_product)

    @property
    def any_disliked(self) -> bool:
        """Whether there is something to keep away from."""
        return bool(self.dislike or self.dislike_file or self.dislike_text or self.dislike_product)

    @property
    def label(self) -> str:
        """What people call the question."""
        liked = (*self.like, *self.like_file, *self.like_text, *self.like_product)
        disliked = (*self.dislike, *self.dislike_file, *self.dislike_text, *self.dislike_product)
        return " ".join((*liked, *(f"not {name}" for name in disliked)))


def examples_options(function: Function) -> Function:
    """``--like``, ``--not`` and the like; the command gets ``examples``."""
    return together(
        _example("--like", "like", "ID", "An item that is liked."),
        _example("--not", "dislike", "ID", "An item that is not."),
        _example("--like-file", "like_file", "FILE", "A liked picture from anywhere."),
        _example("--not-file", "dislike_file", "FILE", "A picture from anywhere that is not."),
        _example("--like-text", "like_text", "WORDS", "Words for what is liked, if the encoder reads text."),
        _example("--not-text", "dislike_text", "WORDS", "Words for what is not."),
        _example("--like-product", "like_product", "NAME", "A liked product, by all its pictures."),
        _example("--not-product", "dislike_product", "NAME", "A product that is not."),
        click.argument(
            "examples", cls=Gathered, of=tuple(TypedExamples.__slots__), into=lambda: TypedExamples
        ),
    )(function)


def _example(option: str, name: str, metavar: str, text: str) -> Callable[[Function], Function]:
    return click.option(
        option, name, multiple=True, metavar=f"{metavar}[:W]", help=f"{text} May be repeated."
    )
