"""Local tokens: each window draws its new tokens from a slice of all.

The tokens of a window then fall into few pages of the token's index, not one page for each row, which
saves reads and full-page images where the index is larger than memory. A slice is a common prefix (of
the random part, if tokens have a format), so it costs as many bits of each token's randomness as the
prefix has.
"""

import math
import secrets
from dataclasses import dataclass

from ..db.session import Session
from ..formats import ALPHABETS, BLOCK_BITS, UUID_BITS, Alphabet, TokenFormat

LEAST_RANDOM_BITS = 100  # that stay
SLICE_PAGES = 32  # of the index, at least: the new entries of a window share their images
CHOICES = 16  # for the character after a prefix; see the fragments


@dataclass(frozen=True)
class Slices:
    """So many slices that about `bits` number them; none, if there are no bits."""

    bits: int = 0
    form: TokenFormat | None = None  #: of the tokens; None: UUIDs

    @property
    def random_bits(self) -> int:
        """Of a token that stay random for those who know its window's slice."""
        if not self._alphabet or not self.form:
            return UUID_BITS - self.bits
        prefix, choices = self._cut(self._alphabet)
        lost = prefix * self._alphabet.bits
        lost += self._alphabet.bits - math.log2(choices) if choices else 0
        return int(min(self.form.drawn_bits - lost, BLOCK_BITS * self.form.blocks))

    def draw(self) -> dict[str, str]:
        """A slice chosen at random, as the parameters of the fragments; nothing without slices.

        Its first characters, and those of which the next one is drawn.
        """
        if not self.bits:
            return {}
        if self._alphabet:
            return self._draw(self._alphabet)
        whole, rest = divmod(self.bits, 4)
        number = secrets.randbits(self.bits)
        free = 4 - rest
        first = (number & ((1 << rest) - 1)) << free
        return {
            "slice": f"{number >> rest:0{whole}x}" if whole else "",
            "digits": "".join(f"{first | digit & ((1 << free) - 1):x}" for digit in range(CHOICES)),
        }

    def _draw(self, alphabet: Alphabet) -> dict[str, str]:
        prefix, choices = self._cut(alphabet)
        ring = alphabet.characters * 2
        first = secrets.randbelow(alphabet.size)
        return {
            "slice": "".join(secrets.choice(alphabet.characters) for _ in range(prefix)),
            "digits": ring[first : first + choices] * (CHOICES // choices) if choices else "",
        }

    def _cut(self, alphabet: Alphabet) -> tuple[int, int]:
        """Characters of a prefix, and of how many the next one is drawn; 0: of all."""
        prefix = int(self.bits // alphabet.bits)
        free = alphabet.size / 2 ** (self.bits - prefix * alphabet.bits)
        return prefix, 0 if free >= 2 * CHOICES else min(CHOICES, 2 ** int(math.log2(free)))

    @property
    def _alphabet(self) -> Alphabet | None:
        """Of the random part; None for UUIDs."""
        return ALPHABETS.get(self.form.kind) if self.form else None


WHOLE = Slices()  #: tokens of all, as they are made without


def cut_slices(session: Session, oid: int, column: str, form: TokenFormat | None = None) -> Slices:
    """Those of a table, by the size of its token's index."""
    with session.reading():
        return slices_of(session.row("measure_token_index", oid=oid, column=column)["pages"], form)


def slices_of(pages: int, form: TokenFormat | None = None) -> Slices:
    """So many that each spans about SLICE_PAGES pages of an index of so many, or up to twice as many."""
    bits = max(1, pages // SLICE_PAGES).bit_length() - 1
    slices = Slices(bits, form)
    while slices.bits and slices.random_bits < LEAST_RANDOM_BITS:
        slices = Slices(slices.bits - 1, form)
    return slices
