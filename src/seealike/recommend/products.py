"""Which items show the same product."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import numpy as np

from seealike.errors import UnknownProductError
from seealike.types import Int64Array, MetadataValue
from seealike.wording import closest

NO_PRODUCT = -1
_LOOKED_THROUGH = 10_000  # names, for one that was meant


@dataclass(frozen=True, eq=False)
class Products:
    """The product of every item of one generation, as a number: its code.

    Items of no product, whose code is ``NO_PRODUCT``, stand for themselves. Shapes: keys, ascending, and
    codes are (n,); by_product, the keys by their codes, is too; starts says where each code begins.

    Args:
        column: what says which product an item shows.
        keys: of the items.
        codes: of their products.
        code_of: the code of every product, by its name.
        by_product: see above.
        starts: see above.
    """

    column: str
    keys: Int64Array
    codes: Int64Array
    code_of: Mapping[str, int]
    by_product: Int64Array
    starts: Int64Array

    @classmethod
    def of_codes(cls, column: str, keys: Int64Array, codes: Int64Array, names: Sequence[str]) -> Products:
        """From the code of every item, and the names of the products by code."""
        order = np.argsort(codes, kind="stable")
        starts: Int64Array = np.searchsorted(codes[order], np.arange(len(names) + 1))
        return cls(column, keys, codes, {name: code for code, name in enumerate(names)}, keys[order], starts)

    @classmethod
    def of_values(
        cls, column: str, keys: Int64Array, codes: Int64Array, values: Sequence[MetadataValue]
    ) -> Products:
        """From the values of a column, by code. Those that are written alike, such as 1 and "1", are one."""
        code_of: dict[str, int] = {}
        merged = [code_of.setdefault(str(value), len(code_of)) for value in values]
        return cls.of_codes(
            column, keys, np.array([*merged, NO_PRODUCT], dtype=np.int64)[codes], tuple(code_of)
        )

    @classmethod
    def of_pairs(cls, column: str, keys: Int64Array, pairs: Iterable[tuple[int, str]]) -> Products:
        """From keys of items that have a product, and its name; those not among ``keys`` are ignored."""
        code_of: dict[str, int] = {}
        found = np.array([(key, code_of.setdefault(name, len(code_of))) for key, name in pairs], np.int64)
        found = found.reshape(-1, 2)
        codes = np.full(len(keys) + 1, NO_PRODUCT, dtype=np.int64)
        places = np.searchsorted(keys, found[:, 0])
        here = np.append(keys, NO_PRODUCT)[places] == found[:, 0]
        codes[places[here]] = found[here, 1]
        return cls.of_codes(column, keys, codes[:-1], tuple(code_of))

    def later(self, keys: Int64Array, pairs: Iterable[tuple[int, str]]) -> Products:
        """Of a later generation, with the items ``keys``: some of these, and greater ones."""
        kept = self.codes[np.isin(self.keys, keys, assume_unique=True)]
        new = keys[len(kept) :]
        code_of = dict(self.code_of)
        codes = dict.fromkeys(new.tolist(), NO_PRODUCT)
        codes.update((key, code_of.setdefault(name, len(code_of))) for key, name in pairs)
        added = np.fromiter((codes[key] for key in new.tolist()), np.int64, len(new))
        return Products.of_codes(self.column, keys, np.concatenate([kept, added]), tuple(code_of))

    @property
    def counts(self) -> Int64Array:
        """How many items each product has, by code."""
        return np.diff(self.starts)

    def __len__(self) -> int:
        """How many products there are, an item of none being a product of its own."""
        single = int(self.starts[0])  # the code of no product is below all others
        return int(np.count_nonzero(self.counts)) + single

    def __contains__(self, name: object) -> bool:
        """Whether there is a product of this name."""
        code = self.code_of.get(name) if isinstance(name, str) else None
        return code is not None and bool(self.counts[code])

    @property
    def items_each(self) -> float:
        """How many items a product has on average."""
        return len(self.keys) / len(self) if len(self) else 1.0

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of products, by code."""
        return tuple(self.code_of)

    def name_of(self, key: int, item_id: str) -> str | None:
        """What the product of an item is called, its id where it is of none; ``None``: it is not here."""
        place = int(np.searchsorted(self.keys, key))
        if place == len(self.keys) or self.keys[place] != key:
            return None
        name = self.name_at(key)
        return item_id if name is None else name

    def name_at(self, key: int) -> str | None:
        """What the product of a living item is called; ``None`` where it is of none."""
        code = int(self.codes[np.searchsorted(self.keys, key)])
        return None if code == NO_PRODUCT else self.names[code]

    def fingerprints(self) -> Int64Array:
        """A number for every item that says which product it shows in every generation; 0 for none."""
        return np.append(fingerprints(self.code_of) + 1, 0)[self.codes]

    def of(self, keys: Int64Array) -> Int64Array:
        """The codes of living keys. Shapes: as ``keys``."""
        codes: Int64Array = self.codes[np.searchsorted(self.keys, keys)]
        return codes

    def of_items(self, keys: Iterable[int]) -> frozenset[int]:
        """The codes of the products that some living items show."""
        codes = self.of(np.fromiter(keys, dtype=np.int64))
        return frozenset(codes[codes != NO_PRODUCT].tolist())

    def others(self, keys: Int64Array) -> Int64Array:
        """How many further items the products of living keys have. Shapes: as ``keys``."""
        codes = self.of(keys)
        others: Int64Array = np.where(codes == NO_PRODUCT, 0, np.append(self.counts, 1)[codes] - 1)
        return others

    def keys_of(self, name: str) -> Int64Array:
        """The items of a product, ascending.

        Raises:
            UnknownProductError: there is no such product.
        """
        if name not in self:
            raise UnknownProductError(self.column, name, closest(name, islice(self.code_of, _LOOKED_THROUGH)))
        code = self.code_of[name]
        return self.by_product[self.starts[code] : self.starts[code + 1]]


def fingerprints(names: Iterable[str]) -> Int64Array:
    """A number for every name, by which it is known again. Shapes: (n,)."""
    digests = (hashlib.blake2b(one.encode(errors="surrogatepass"), digest_size=7).digest() for one in names)
    return np.array([int.from_bytes(digest) for digest in digests], dtype=np.int64)
