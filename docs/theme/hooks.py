"""What mkdocs runs for each page."""

import re
from typing import Any


def on_page_content(html: str, **_: Any) -> str:
    """Keep short code in one line: browsers would break a flag after its hyphens."""
    return re.sub(r"<code>([^<]{1,24})</code>", r'<code class="short">\1</code>', html)
