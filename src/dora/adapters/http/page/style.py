"""How the page looks, and the headers that let it do nothing but that."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from dora.adapters.http.answers import Headers

# Text and its ground differ by 4.5 to 1 or more in both schemes (WCAG 2.2, 1.4.3); tests/system/test_page.py asks axe.
STYLE: Final = """
:root { color-scheme: light dark; --ink: #1f2328; --soft: #57606a; --line: #d0d7de; --paper: #ffffff; --card: #f6f8fa;
  --link: #0550ae; --good: #116329; --bad: #a40e26; --wait: #6c4400; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --soft: #9da7b3; --line: #3d444d; --paper: #0d1117; --card: #161b22;
    --link: #79c0ff; --good: #56d364; --bad: #ff7b72; --wait: #e3b341; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1rem 1rem 3rem; font: 1rem/1.5 system-ui, sans-serif;
  color: var(--ink); background: var(--paper); overflow-wrap: anywhere; }
a { color: var(--link); }
a:focus-visible, input:focus-visible, button:focus-visible, summary:focus-visible, pre:focus-visible {
  outline: 3px solid var(--link); outline-offset: 2px; }
.skip { position: absolute; left: -100rem; }
.skip:focus { position: static; display: inline-block; margin-bottom: .5rem; }
h1 { font-size: 1.5rem; margin: 0; }
h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; }
h3 { font-size: 1rem; margin: 0; }
p, ul, ol, dl, form { margin: .5rem 0; }
ul, ol { padding-left: 1.25rem; }
li { margin: .25rem 0; }
code, pre { font: .875em/1.5 ui-monospace, monospace; }
pre { margin: .5rem 0; padding: .75rem; background: var(--card); border: 1px solid var(--line); border-radius: 6px;
  white-space: pre-wrap; }
nav ul { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; }
summary { cursor: pointer; }
article { border: 1px solid var(--line); border-radius: 6px; background: var(--card); padding: .75rem 1rem;
  margin: .75rem 0; }
table { width: 100%; border-collapse: collapse; margin: .5rem 0; font-size: .9rem; }
caption { text-align: left; color: var(--soft); }
th, td { text-align: left; vertical-align: top; padding: .3rem .5rem .3rem 0; border-top: 1px solid var(--line); }
thead th { border-top: 0; font-weight: 600; color: var(--soft); overflow-wrap: normal; }
tbody th { font-weight: 600; }
dt { font-weight: 600; }
dd { margin: 0 0 .5rem; }
input, button { font: inherit; color: inherit; background: var(--paper); border: 1px solid var(--soft);
  border-radius: 6px; padding: .35rem .6rem; max-width: 100%; }
button { cursor: pointer; }
.soft { color: var(--soft); }
.plain { list-style: none; padding: 0; }
.kind { font-weight: 600; }
.missing, .bad { color: var(--bad); }
.waiting { color: var(--wait); }
.note { color: var(--soft); }
.good { color: var(--good); }
@media (max-width: 34rem) {
  body { padding: .75rem .75rem 2rem; }
  article { padding: .6rem .7rem; }
  table, caption, tbody, tr, tbody th, td { display: block; }
  thead { position: absolute; left: -100rem; }
  tbody th { padding-bottom: 0; }
  td { border: 0; padding: 0; }
  td::before { content: attr(data-column) ": "; color: var(--soft); }
}
"""

ICON: Final = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E"
    "%3Cpath d='M1 13 6 7l3 3 6-7' fill='none' stroke='%230969da' stroke-width='2'/%3E%3C/svg%3E"
)
"""An icon within the page: without one a browser asks for a file that is not there."""

_DIGEST: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

# What slipped through the escaping would find no way to run, to load, to look otherwise or to send anything elsewhere.
_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_DIGEST}'; img-src data:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

HEADERS: Final[Headers] = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
    (b"cache-control", b"no-store"),
    (b"vary", b"Authorization"),
)
