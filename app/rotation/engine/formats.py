"""What a new token looks like: text around one random part, such as `plane_api_{hex:32}`."""

import math
import re
from dataclasses import dataclass
from string import ascii_lowercase, ascii_uppercase, digits

LEAST_RANDOM_BITS = 96  # of a token
LONGEST = 250  # characters of the random part; a regular expression repeats one at most 255 times
UUID_BITS = 122  # random ones of a UUID of version 4, by RFC 9562
UUID_LENGTH = 36
HASH_BITS = 512  # of a SHA-512
BLOCK_BITS = 2 * UUID_BITS  # random ones in each SHA-512 of two UUIDs
BASE64_BITS = 6  # of a character of base64
#: A token comes out too short with at most this probability; the canary and CHECKs are there then.
TOO_SHORT = 2.0**-100


@dataclass(frozen=True)
class Alphabet:
    """Characters that a random part is made of, each as likely as any other."""

    characters: str
    pattern: str  #: of a regular expression, for one of them

    @property
    def size(self) -> int:
        """How many there are."""
        return len(self.characters)

    @property
    def bits(self) -> float:
        """Random ones of a character."""
        return math.log2(self.size)


ALPHABETS = {
    "hex": Alphabet("0123456789abcdef", "[0-9a-f]"),
    "alnum": Alphabet(digits + ascii_lowercase, "[0-9a-z]"),
    "base62": Alphabet(digits + ascii_uppercase + ascii_lowercase, "[0-9A-Za-z]"),
    "urlsafe": Alphabet("-" + digits + ascii_uppercase + "_" + ascii_lowercase, "[0-9A-Za-z_-]"),
}
KINDS = "{uuid} {hex:N} {base62:N} {urlsafe:N} {alnum:N}"


@dataclass(frozen=True)
class TokenFormat:
    """A parsed template."""

    template: str  #: as given
    prefix: str
    kind: str  #: a name of ALPHABETS, or uuid
    length: int  #: characters of the random part
    suffix: str

    @property
    def size(self) -> int:
        """Characters of a token."""
        return len(self.prefix) + self.length + len(self.suffix)

    @property
    def blocks(self) -> int:
        """How many SHA-512 hashes the random part is cut from; none for a UUID."""
        if self.kind == "uuid":
            return 0
        blocks = 1
        while _too_short(self.length, self.kind, blocks) > TOO_SHORT:
            blocks += 1
        return blocks

    @property
    def random_bits(self) -> int:
        """Of a token: what whoever knows the template must guess."""
        if self.kind == "uuid":
            return UUID_BITS
        return int(min(self.drawn_bits, BLOCK_BITS * self.blocks))

    @property
    def drawn_bits(self) -> float:
        """Of the characters of its random part."""
        return self.length * ALPHABETS[self.kind].bits

    @property
    def pattern(self) -> str:
        """A regular expression for a token, as PostgreSQL and Python read it; without groups."""
        part = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
        if self.kind != "uuid":
            part = f"{ALPHABETS[self.kind].pattern}{{{self.length}}}"
        return f"(?:{re.escape(self.prefix)}{part}{re.escape(self.suffix)})"


def _too_short(length: int, kind: str, blocks: int) -> float:
    """The probability that so many hashes give fewer characters than wanted.

    Hexadecimal digits and base64 use every bit. An alphabet of fewer characters than base64's 64 keeps
    its own and drops the others (rejection sampling, which favours none), so that the number kept is
    binomial.
    """
    bits = HASH_BITS * blocks
    if kind == "hex":
        return float(length > bits // 4)
    made = bits // BASE64_BITS
    size = ALPHABETS[kind].size
    if size == 64 or length > made:
        return float(length > made)
    ways = sum(
        math.comb(made, kept) * size**kept * (64 - size) ** (made - kept) for kept in range(length)
    )
    return ways / 64**made


def parse_format(template: str) -> TokenFormat:
    """Read a template. Raises ValueError, which says what is expected."""
    if not template.isascii() or not template.isprintable():
        raise ValueError("expected printable ASCII characters")
    parts = re.fullmatch(r"([^{}]*)\{([^{}]*)\}([^{}]*)", template)
    if not parts:
        why = ""
        if template.count("{") == template.count("}") > 1:
            why = "it has several random parts: "
        elif "{" in template or "}" in template:
            why = "its braces don't match: "
        raise ValueError(f"{why}expected text with one of {KINDS} in it")
    prefix, placeholder, suffix = parts.groups()
    if placeholder == "uuid":
        return TokenFormat(template, prefix, "uuid", UUID_LENGTH, suffix)
    kind, _, number = placeholder.partition(":")
    if kind not in ALPHABETS or not re.fullmatch(r"[1-9][0-9]{0,5}", number):
        raise ValueError(f"{{{placeholder}}} is none of {KINDS}")
    length = int(number)
    if length > LONGEST:
        raise ValueError(f"{{{placeholder}}} is longer than {LONGEST} characters")
    made = TokenFormat(template, prefix, kind, length, suffix)
    if made.random_bits < LEAST_RANDOM_BITS:
        enough = math.ceil(LEAST_RANDOM_BITS / math.log2(ALPHABETS[kind].size))
        raise ValueError(
            f"{made.random_bits} random bits can be guessed, and {LEAST_RANDOM_BITS} can't:"
            f" {{{kind}:{enough}}} or longer"
        )
    return made
