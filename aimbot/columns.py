"""Records of arrays that have one row for each of many things."""

from dataclasses import fields
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike


class Columns:
    """Base of a frozen dataclass whose fields are arrays of the same first dimension."""

    __dataclass_fields__: ClassVar[dict[str, Any]]
    __slots__ = ()

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))

    def take(self, index: ArrayLike) -> Self:
        """Some of the rows."""
        rows = np.asarray(index, np.intp)
        return type(self)(*(getattr(self, field.name)[rows] for field in fields(self)))

    def join(self, other: Self) -> Self:
        """These rows and others."""
        return type(self)(
            *(np.concatenate([getattr(self, f.name), getattr(other, f.name)]) for f in fields(self))
        )

    def put(self, index: ArrayLike, other: Self) -> None:
        """Some of the rows anew, in place."""
        rows = np.asarray(index, np.intp)
        for field in fields(self):
            getattr(self, field.name)[rows] = getattr(other, field.name)
