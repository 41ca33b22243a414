"""Records of arrays that have one row for each of many things."""

from typing import Self

import numpy as np
from numpy.typing import ArrayLike


class Columns:
    """Base of a frozen dataclass with slots, whose fields are arrays of the same first dimension."""

    __slots__: tuple[str, ...] = ()  # in a subclass the names of its fields

    def __len__(self) -> int:
        return len(getattr(self, self.__slots__[0]))

    def take(self, index: ArrayLike) -> Self:
        """Some of the rows."""
        rows = np.asarray(index, np.intp)
        return type(self)(*[getattr(self, name).take(rows, axis=0) for name in self.__slots__])

    def join(self, other: Self) -> Self:
        """These rows and others."""
        return type(self)(
            *[np.concatenate([getattr(self, name), getattr(other, name)]) for name in self.__slots__]
        )

    def put(self, index: ArrayLike, other: Self) -> None:
        """Some of the rows anew, in place."""
        rows = np.asarray(index, np.intp)
        for name in self.__slots__:
            getattr(self, name)[rows] = getattr(other, name)
