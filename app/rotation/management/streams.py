"""Standard streams that break no command, whatever they are connected to."""

import codecs
import contextlib
import os
from typing import Any

from ..engine.errors import RotationError, Stopped


class Lenient:
    """A stream that shows escaped what its encoding lacks, and drops the rest once it is broken."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.broken = ""  #: why; empty if it is not, or if its reader had enough

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @property
    def gone(self) -> bool:
        """Whether nobody reads it any more, for whatever reason."""
        return self._stream is None

    def isatty(self) -> bool:
        """Whether a person sees it."""
        try:
            return bool(self._stream.isatty())
        except (ValueError, AttributeError):  # closed, or there is none
            return False

    def write(self, text: str) -> None:
        """Write, if that is possible."""
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        self._try("write", text.encode(encoding, "backslashreplace").decode(encoding))

    def flush(self) -> None:
        """Flush, if that is possible."""
        self._try("flush")

    def _try(self, method: str, *arguments: str) -> None:
        if self._stream is None:
            return
        try:
            getattr(self._stream, method)(*arguments)
        except (OSError, ValueError) as error:
            if not isinstance(error, BrokenPipeError):
                self.broken = getattr(error, "strerror", None) or "it is closed"
            with contextlib.suppress(OSError, ValueError, AttributeError):
                # What is left in the buffer would raise again when Python exits.
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
            self._stream = None


class Printed:
    """A sink for bytes of UTF-8 that writes them to the output, until nobody reads that."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream  # Django's wrapper of one, or of what a caller gave
        self._decode = codecs.getincrementaldecoder("utf-8")().decode

    def write(self, part: bytes) -> None:
        """Write. Raises Stopped if nobody reads it, RotationError if that fails."""
        self._stream.write(self._decode(part), ending="")
        if getattr(self._stream, "gone", False):
            if why := getattr(self._stream, "broken", ""):
                raise RotationError(f"standard output: {why}: not everything was shown")
            raise Stopped("nobody reads the output")
