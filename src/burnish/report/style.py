"""The page's style sheet: light and dark, print, and narrow screens; every text at least 4.5 : 1."""

from __future__ import annotations

CSS = """
:root { color-scheme: light dark; --ink: #1c1e21; --soft: #50565e; --paper: #ffffff; --card: #f5f6f7;
  --line: #c9cdd2; --pass: #116329; --fail: #a40e26; --inconclusive: #7a4b00; --good: #e7f3ea;
  --link: #0a4fae; }
@media (prefers-color-scheme: dark) { :root { --ink: #e9eaec; --soft: #b3b9c1; --paper: #16181b;
  --card: #202327; --line: #454b53; --pass: #6fdd8b; --fail: #ff9a9a; --inconclusive: #f0b957;
  --good: #1b2d21; --link: #8ab8ff; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 1.5rem 1.25rem 4rem; background: var(--paper);
  color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 1rem; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .5rem; }
p { margin: .5rem 0; max-width: 46rem; }
a { color: var(--link); }
.skip { position: absolute; left: -99rem; }
.skip:focus { position: static; }
.verdict { border: 1px solid var(--line); border-left: .5rem solid var(--tone); border-radius: .4rem;
  background: var(--card); padding: 1rem 1.25rem; }
.verdict .say { font-size: 1.2rem; margin-top: .25rem; }
.badge { color: var(--tone); font-weight: 700; letter-spacing: .02em; white-space: nowrap; }
.pass { --tone: var(--pass); } .fail { --tone: var(--fail); } .inconclusive { --tone: var(--inconclusive); }
.facts { display: flex; flex-wrap: wrap; gap: .5rem 2.5rem; margin: 1rem 0 0; padding: 0; list-style: none; }
.facts strong { display: block; font-size: 1.5rem; line-height: 1.2; }
.facts span, caption { color: var(--soft); }
.scroll { overflow-x: auto; padding: 1px 0; }
.scroll:focus-visible, a:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding: 0 0 .5rem; }
th, td { text-align: left; vertical-align: top; padding: .45rem .9rem .45rem 0;
  border-bottom: 1px solid var(--line); overflow-wrap: break-word; }
thead th { border-bottom: 2px solid var(--line); }
tbody th { font-weight: 600; }
.checks td:last-child { min-width: 14rem; }
.sheet { width: auto; }
.sheet tbody th { font-weight: 400; width: 20rem; max-width: 20rem; overflow-wrap: anywhere; }
.sheet tbody th, .sheet td { vertical-align: middle; }
.sheet img { display: block; width: auto; max-width: min(16rem, 30vw); min-width: 6rem; height: auto;
  border: 1px solid var(--line); }
.sheet img.small { width: 8rem; image-rendering: pixelated; }
.forest { display: block; width: 100%; min-width: 38rem; max-width: 50rem; height: auto; color: var(--ink); }
.forest text { fill: currentColor; font: 15px system-ui, sans-serif; }
.forest text.small { fill: var(--soft); font-size: 13px; }
.forest text.word { fill: var(--tone); font-weight: 700; font-size: 13px; }
.forest .good { fill: var(--good); }
.forest .bound { stroke: var(--ink); stroke-width: 1.5; stroke-dasharray: 4 3; }
.forest .span { stroke: var(--tone); stroke-width: 2.5; fill: none; }
.forest circle { fill: var(--tone); }
.provenance td { overflow-wrap: anywhere; font: .875rem/1.5 ui-monospace, Menlo, Consolas, monospace; }
.provenance th { white-space: nowrap; width: 1%; padding-right: 2rem; }
@media print {
  :root { color-scheme: light; --ink: #000000; --soft: #333333; --paper: #ffffff; --card: #ffffff;
    --line: #999999; --pass: #116329; --fail: #a40e26; --inconclusive: #7a4b00; --good: #eeeeee;
    --link: #0a4fae; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  .skip { display: none; }
  .scroll { overflow: visible; }
  .checks td:last-child, .forest { min-width: 0; }
  tr, svg, .verdict { break-inside: avoid; }
  h2 { break-after: avoid; }
  thead { display: table-header-group; }
  * { print-color-adjust: exact; }
}
"""
