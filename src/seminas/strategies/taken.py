"""Unions of collections of architectures, for architectures that are not proposed again."""

from collections.abc import Collection, Iterator

from seminas.spaces.base import A


class Taken(Collection[A]):
    """The union of collections of architectures. It copies none of them."""

    def __init__(self, *parts: Collection[A]) -> None:
        self._parts: list[Collection[A]] = []
        for part in parts:
            if isinstance(part, Taken):
                self._parts += part._parts
            elif part:
                self._parts.append(part if isinstance(part, dict | set | frozenset) else dict.fromkeys(part))

    def __contains__(self, architecture: object) -> bool:
        return any(architecture in part for part in self._parts)

    def __iter__(self) -> Iterator[A]:
        seen: list[Collection[A]] = []
        for part in self._parts:
            yield from (a for a in part if not any(a in earlier for earlier in seen))
            seen.append(part)

    def __len__(self) -> int:
        return sum(1 for _ in self) if len(self._parts) > 1 else sum(map(len, self._parts))
