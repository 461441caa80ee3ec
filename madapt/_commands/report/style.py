"""The style of the page: light and dark, wide, narrow and on paper."""

from __future__ import annotations

__all__ = ["STYLE"]

STYLE = """
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --ink: #1a2129; --soft: #566270; --line: #d9dfe6;
  --accent: #0a5fb4; --chosen: #e7f1fb; --bad: #a4320b; --good: #14683d;
  --s1: #0a5fb4; --s2: #b8500a; --s3: #18754a; --s4: #8a3fa0; --s5: #7a6200; --s6: #3f5563;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --page: #0f141a; --card: #171e26; --ink: #e7edf3; --soft: #a2afbc; --line: #323d49;
    --accent: #7ab8f5; --chosen: #16304a; --bad: #ff9d76; --good: #6fd39c;
    --s1: #7ab8f5; --s2: #f5a262; --s3: #6fd39c; --s4: #d7a3ea; --s5: #dcc65a; --s6: #a9bdca;
  }
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; -webkit-text-size-adjust: 100%; }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
}
.skip {
  position: absolute; left: 1rem; top: -4rem; padding: .6rem 1rem; z-index: 1;
  background: var(--accent); color: var(--card); border-radius: 0 0 .5rem .5rem;
}
.skip:focus { top: 0; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
main:focus { outline: none; }
a { color: var(--accent); text-underline-offset: .15em; }
header, main, footer { max-width: 62rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 2.5rem; }
.eyebrow {
  margin: 0; color: var(--accent); font-weight: 650; letter-spacing: .02em;
}
h1 { margin: .1rem 0 .25rem; font-size: 2rem; line-height: 1.2; overflow-wrap: anywhere; }
h2 { margin: 0 0 .75rem; font-size: 1.3rem; line-height: 1.3; }
h3 { margin: 1.5rem 0 .5rem; font-size: 1.05rem; }
p { max-width: 46rem; margin: .5rem 0; }
.soft, .lead { color: var(--soft); }
nav ul { display: flex; flex-wrap: wrap; gap: .35rem 1.1rem; margin: 1rem 0 0; padding: 0; }
nav li { list-style: none; }
section {
  margin: 1.5rem 0; padding: 1.5rem; background: var(--card);
  border: 1px solid var(--line); border-radius: .75rem; scroll-margin-top: 1rem;
}
.answer { font-size: 1.65rem; line-height: 1.3; font-weight: 650; margin: 0 0 .25rem; }
.answer strong { color: var(--accent); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(10.5rem, 1fr));
  gap: 1rem; margin: 1.25rem 0 0; }
.tiles > div { border-top: 3px solid var(--line); padding-top: .6rem; }
.tiles dt { color: var(--soft); font-size: .9rem; }
.tiles dd { margin: 0; font-size: 1.4rem; font-weight: 600; line-height: 1.3; }
.tiles small { display: block; font-size: .875rem; font-weight: 400; color: var(--soft); }
.facts { display: grid; grid-template-columns: 1fr; gap: 0; margin: 0; }
.facts > div { display: grid; grid-template-columns: 12rem 1fr; gap: 0 1rem; padding: .35rem 0;
  border-bottom: 1px solid var(--line); }
.facts > div:last-child { border-bottom: 0; }
.facts dt { color: var(--soft); }
.facts dd { margin: 0; min-width: 0; overflow-wrap: anywhere; }
code, pre { font: .9em/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
code { overflow-wrap: anywhere; }
pre { margin: .75rem 0; padding: .9rem 1rem; background: var(--page); border: 1px solid var(--line);
  border-radius: .5rem; white-space: pre-wrap; overflow-wrap: anywhere; }
figure { margin: 1rem 0; }
svg { display: block; width: 100%; height: auto; }
.narrow { display: none; }
.grid { stroke: var(--line); stroke-width: 1; }
.axis { stroke: var(--soft); stroke-width: 1; }
.tick, .label, .chosen-label { fill: var(--soft); font-size: 13px; font-family: inherit; }
.tick { font-variant-numeric: tabular-nums; }
.chosen { stroke: var(--accent); stroke-width: 1.5; stroke-dasharray: 2 4; }
.chosen-label { fill: var(--accent); font-weight: 600; }
.line, .full { fill: none; stroke-width: 2.2; stroke-linejoin: round; }
.full { stroke: var(--soft); stroke-width: 1.6; stroke-dasharray: 7 4; }
.s1 { stroke: var(--s1); fill: var(--s1); } .s2 { stroke: var(--s2); fill: var(--s2); }
.s3 { stroke: var(--s3); fill: var(--s3); } .s4 { stroke: var(--s4); fill: var(--s4); }
.s5 { stroke: var(--s5); fill: var(--s5); } .s6 { stroke: var(--s6); fill: var(--s6); }
.s1 .line { stroke-width: 2.8; }
g path:not(.line) { stroke: var(--card); stroke-width: 1; }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1.4rem; margin: .25rem 0 0; padding: 0;
  font-size: .92rem; }
.legend li { list-style: none; display: flex; align-items: center; gap: .45rem; }
.legend svg { width: 2rem; height: 1rem; flex: none; }
.scroll { overflow-x: auto; margin: 1rem 0 0; border-radius: .25rem; }
table { border-collapse: collapse; min-width: 100%; font-size: .95rem; }
caption { text-align: left; color: var(--soft); padding: 0 0 .5rem; position: sticky; left: 0;
  max-width: min(46rem, 100vw - 3.5rem); }
th, td { padding: .4rem .75rem; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: baseline; }
thead th { font-weight: 600; color: var(--soft); border-bottom: 2px solid var(--line);
  vertical-align: bottom; }
tbody th { font-weight: 600; }
.n { text-align: right; font-variant-numeric: tabular-nums; }
tbody .n { white-space: nowrap; }
td code, th code { display: inline-block; min-width: 5rem; max-width: 16rem; }
.marked > * { background: var(--chosen); }
.mark { display: inline-block; margin-right: .4rem; padding: 0 .45rem; border-radius: 1rem;
  background: var(--accent); color: var(--card); font-size: .75rem; font-weight: 600; }
.bad { color: var(--bad); } .good { color: var(--good); }
.warning { border-left: 4px solid var(--bad); padding: .1rem 0 .1rem .9rem; }
footer { padding-bottom: 3rem; color: var(--soft); font-size: .92rem; }
@media (max-width: 40rem) {
  header { padding-top: 1.5rem; }
  header, main, footer { padding-left: .75rem; padding-right: .75rem; }
  section { padding: 1.1rem .9rem; margin: 1rem 0; border-radius: .6rem; }
  h1 { font-size: 1.6rem; } .answer { font-size: 1.35rem; }
  .tiles { grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); }
  .facts > div { grid-template-columns: 1fr; }
  th, td { padding: .4rem .55rem; }
}
@media screen and (max-width: 40rem) { .wide { display: none; } .narrow { display: block; } }
@media print {
  @page { margin: 16mm; }
  :root { --page: #ffffff; }
  body { font-size: 10.5pt; }
  header, main, footer { max-width: none; padding: 0; }
  .skip, nav { display: none; }
  section { border: 0; border-top: 1px solid var(--line); border-radius: 0; padding: .75rem 0 0;
    margin: 1rem 0; }
  figure, tr, .tiles, .facts > div, pre { break-inside: avoid; }
  h2, h3, caption { break-after: avoid; }
  .wide { max-width: 15cm; }
  .scroll { overflow: visible; }
  .marked > *, .mark { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""
