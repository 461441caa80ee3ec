"""The losses and sizes that benchmarks/loss.py measures."""

from __future__ import annotations

from dataclasses import dataclass

TWELVE = (8, 16, 32, 64, 128, 192, 256, 320, 384, 512, 640, 768)
NINE = (16, 32, 64, 128, 256, 512, 1024, 2048, 3072)
FIVE = (8, 16, 32, 64, 128)


@dataclass(frozen=True)
class Case:
    """One loss on B rows and n columns; n = None compares the rows with themselves."""

    loss: str
    B: int
    d: int
    dims: tuple[int, ...]
    n: int | None = None

    @property
    def columns(self) -> int:
        """How many rows each row is compared with."""
        return self.n or self.B


def at_equal_distances(L: int, d: int = 768) -> tuple[int, ...]:
    """Return L dims, the last of them d."""
    return tuple(d * (place + 1) // L for place in range(L))


CASES = {
    "pairwise + top-k, 1024 x 768, 12 dims": Case("similarity", 1024, 768, TWELVE),
    "listwise, 1024 x 768, 12 dims": Case("listwise", 1024, 768, TWELVE),
    "listwise, 256 rows x 1024, d = 768, 12 dims": Case("listwise", 256, 768, TWELVE, 1024),
    "listwise, 256 rows x 4096, d = 128, 5 dims": Case("listwise", 256, 128, FIVE, 4096),
    "pairwise + top-k, 1024 x 3072, 9 dims": Case("similarity", 1024, 3072, NINE),
    "listwise, 1024 x 3072, 9 dims": Case("listwise", 1024, 3072, NINE),
}


def _over(loss: str, sizes: dict[str, tuple[int, ...]]) -> dict[str, dict[int, Case]]:
    return {
        "B": {B: Case(loss, B, 768, TWELVE) for B in sizes["B"]},
        "d": {d: Case(loss, 1024, d, at_equal_distances(8, d)) for d in sizes["d"]},
        "L": {L: Case(loss, 1024, 768, at_equal_distances(L)) for L in sizes["L"]},
    }


_SIZES = {
    "B": (256, 512, 1024, 2048, 4096),
    "d": (96, 192, 384, 768, 1536, 3072),
    "L": (1, 2, 4, 8, 12, 16, 24),
    "n": (512, 1024, 2048, 4096, 8192, 16384),
}

#: What grows, and for the square form of which loss; the n columns of the rectangular form.
SWEEPS = {
    **_over("similarity", _SIZES),
    **{f"{over}, listwise": cases for over, cases in _over("listwise", _SIZES).items()},
    "n, listwise": {n: Case("listwise", 256, 128, FIVE, n) for n in _SIZES["n"]},
}

#: Sizes that show nothing but that all of it runs.
QUICK_CASES = {
    "pairwise + top-k, 48 x 32, 2 dims": Case("similarity", 48, 32, (8, 32)),
    "listwise, 16 rows x 48, d = 32, 2 dims": Case("listwise", 16, 32, (8, 32), 48),
}
QUICK_SWEEPS = {
    "B": {B: Case("similarity", B, 32, (8, 32)) for B in (32, 64)},
    "n, listwise": {n: Case("listwise", 16, 32, (8, 32), n) for n in (32, 64)},
}
