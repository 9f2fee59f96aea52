"""Local tokens: each window draws its new tokens from a slice of all UUIDs.

The tokens of a window then fall into few pages of the token's index, not one page for each row, which
saves reads and full-page images where the index is larger than memory. A slice is a common prefix, so
it costs as many bits of each token's randomness as the prefix has.
"""

import secrets
from dataclasses import dataclass

from ..db.session import Session

RANDOM_BITS = 122  # of a UUID of version 4, by RFC 9562
LEAST_RANDOM_BITS = 100  # that stay
SLICE_PAGES = 32  # of the index, at least: the new entries of a window share their images


@dataclass(frozen=True)
class Slices:
    """So many slices that `bits` number them; none, if there are no bits."""

    bits: int = 0

    @property
    def random_bits(self) -> int:
        """Of a token that stay random for those who know its window's slice."""
        return RANDOM_BITS - self.bits

    def draw(self) -> dict[str, str]:
        """A slice chosen at random, as the parameters of localize_uuid.sql; nothing without slices.

        Its hexadecimal digits, and the digits of which the next one is drawn.
        """
        if not self.bits:
            return {}
        whole, rest = divmod(self.bits, 4)
        number = secrets.randbits(self.bits)
        free = 4 - rest
        first = (number & ((1 << rest) - 1)) << free
        return {
            "slice": f"{number >> rest:0{whole}x}" if whole else "",
            "digits": "".join(f"{first | digit & ((1 << free) - 1):x}" for digit in range(16)),
        }


WHOLE = Slices()  #: tokens of all UUIDs, as gen_random_uuid() makes them


def cut_slices(session: Session, oid: int, column: str) -> Slices:
    """Those of a table, by the size of its token's index."""
    with session.reading():
        return slices_of(session.row("measure_token_index", oid=oid, column=column)["pages"])


def slices_of(pages: int) -> Slices:
    """So many that each spans SLICE_PAGES pages of an index of so many, or up to twice as many."""
    bits = max(1, pages // SLICE_PAGES).bit_length() - 1
    return Slices(min(bits, RANDOM_BITS - LEAST_RANDOM_BITS))
