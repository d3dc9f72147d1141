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
p { margin: .5rem 0; max-width: 46rem; overflow-wrap: anywhere; }
a { color: var(--link); }
.skip { position: absolute; left: -99rem; }
.skip:focus { position: static; }
.verdict { border: 1px solid var(--line); border-left: .5rem solid var(--tone); border-radius: .4rem;
  background: var(--card); padding: 1rem 1.25rem; }
.verdict .say { font-size: 1.2rem; margin-top: .25rem; }
.badge { color: var(--tone); font-weight: 700; letter-spacing: .02em; white-space: nowrap; }
p.badge { white-space: normal; }
.pass { --tone: var(--pass); } .fail { --tone: var(--fail); } .inconclusive { --tone: var(--inconclusive); }
.facts { display: flex; flex-wrap: wrap; gap: .5rem 2.5rem; margin: 1rem 0 0; padding: 0; list-style: none; }
.facts strong { display: block; font-size: 1.5rem; line-height: 1.2; }
.facts span, caption { color: var(--soft); }
.scroll { overflow-x: auto; padding: 1px 0; }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding: 0 0 .5rem; }
caption > span { display: block; position: sticky; left: 0; max-width: min(46rem, 100vw - 2.5rem); }
th, td { text-align: left; vertical-align: top; padding: .45rem .9rem .45rem 0;
  border-bottom: 1px solid var(--line); overflow-wrap: break-word; }
thead :is(th, td) { border-bottom: 2px solid var(--line); }
tbody th { font-weight: 600; }
.checks td:last-child { min-width: 14rem; }
.soft { color: var(--soft); }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin: 1.25rem 0 0; padding: 0;
  list-style: none; }
nav a { display: inline-block; padding: .25rem 0; }
.pairs { --wide: 13rem; display: grid; gap: 1.5rem 1.25rem; margin: 1rem 0; padding: 0; list-style: none;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, var(--wide)), 1fr)); }
.pairs.large { --wide: 20rem; }
@media (max-width: 30rem) { .pairs { --wide: 8.5rem; gap: 1.25rem .75rem; } }
ol.pairs { counter-reset: rank; }
ol.pairs > li { counter-increment: rank; }
ol.pairs figcaption::before { content: counter(rank) ". "; color: var(--soft); }
.pair { display: grid; grid-template-columns: 1fr 1fr; align-items: center; gap: .25rem .5rem; margin: 0; }
.pair img { display: block; width: 100%; height: auto; border: 1px solid var(--line); }
.pair img.small { image-rendering: pixelated; }
.pair span { color: var(--soft); font-size: .875rem; }
.pair input, .slide { display: none; }
.pair figcaption { grid-column: 1 / -1; overflow-wrap: anywhere; line-height: 1.35; }
.note { display: block; color: var(--fail); }
@media screen {
  .live img { grid-area: 1 / 1 / 2 / -1; cursor: ew-resize; touch-action: pan-y; user-select: none; }
  .live .after { clip-path: inset(0 0 0 var(--cut)); }
  .live::after { content: ""; grid-area: 1 / 1 / 2 / -1; place-self: stretch start; width: 2px;
    margin-left: calc(var(--cut) - 1px); background: #ffffff; box-shadow: -1px 0 #000000, 1px 0 #000000;
    pointer-events: none; }
  .live input { display: block; grid-area: 2 / 1 / 3 / -1; width: 100%; height: 1.5rem; margin: 0;
    accent-color: var(--link); cursor: ew-resize; }
  .live .right { text-align: right; }
  section:has(.live) .slide { display: inline; }
}
.slices td, .slices th { padding-top: 0; padding-bottom: 0; vertical-align: middle; border-bottom: 0; }
.slices tbody th { font-weight: 400; font-size: .875rem; line-height: 1.1; min-width: 9rem;
  overflow-wrap: anywhere; position: sticky; left: 0; background: var(--paper); }
.slices tbody td { font-size: .8125rem; line-height: 1.1; white-space: nowrap; }
.slices .badge { font-size: .8125rem; }
.forest { margin: 1rem 0; padding: 0; list-style: none; }
.forest li { display: grid; grid-template-columns: minmax(9rem, 16rem) minmax(0, 24rem) auto;
  gap: 0 1.25rem; align-items: center; }
.forest .label { line-height: 1.3; padding: .35rem 0; overflow-wrap: anywhere; }
.forest .soft { font-size: .8125rem; }
.forest .piece { width: 100%; height: auto; }
.forest li:first-child .piece { grid-column: 2; }
.forest li:first-child text { font-size: 9px; }
@media (max-width: 40rem) {
  .forest li { grid-template-columns: 1fr auto; }
  .forest .piece, .forest li:first-child .piece { grid-column: 1 / -1; order: 1; max-width: 24rem; }
}
.piece { display: block; color: var(--soft); }
.piece text { fill: currentColor; font: 12px system-ui, sans-serif; }
.piece .good { fill: var(--good); }
.piece .bound { stroke: var(--ink); stroke-width: 1.5; stroke-dasharray: 4 3; }
.piece .zero { stroke: var(--line); stroke-width: 1; }
.piece .tolerated { stroke: var(--soft); stroke-width: 2; stroke-dasharray: 1 3; }
.piece .span { stroke: var(--tone); stroke-width: 2.5; fill: none; }
.piece :is(circle, .arrow) { fill: var(--tone); }
.provenance td { overflow-wrap: anywhere; font: .875rem/1.5 ui-monospace, Menlo, Consolas, monospace; }
.provenance th { white-space: nowrap; width: 1%; padding-right: 2rem; }
@page { margin: 15mm; }
@media print {
  :root { color-scheme: light; --ink: #000000; --soft: #333333; --paper: #ffffff; --card: #ffffff;
    --line: #999999; --pass: #116329; --fail: #a40e26; --inconclusive: #7a4b00; --good: #eeeeee;
    --link: #0a4fae; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  .skip, nav { display: none; }
  .pairs { --wide: 12rem; }
  .scroll { overflow: visible; }
  .checks td:last-child { min-width: 0; }
  tr, svg, li, .verdict { break-inside: avoid; }
  h2, h2 + p, caption { break-after: avoid; }
  thead { display: table-header-group; }
  * { print-color-adjust: exact; }
}
"""
