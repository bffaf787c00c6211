"""The page's style sheet. A Python file, because a Flower App Bundle carries no .css."""

STYLESHEET = """\
:root {
  --federated: #0072b2; --local: #d55e00; --pooled: #4a525c; --rule: #009e73;
  --ink: #1c2126; --soft: #5b646e; --grid: #dfe3e8; --paper: #fefefd;
  --wash: #f3f5f7; --notice: #fff6e5; --notice-edge: #d99100;
  --sans: "Segoe UI", "Helvetica Neue", Arial, "Noto Sans", "PingFang SC",
    "Hiragino Sans GB", "Microsoft YaHei", "Noto Sans CJK SC", "Noto Sans SC", sans-serif;
}
@media (prefers-color-scheme: dark) {
  :root {
    --federated: #56b4e9; --local: #f0a04b; --pooled: #b9c1ca; --rule: #2ec99b;
    --ink: #e8eaed; --soft: #a3acb6; --grid: #343b43; --paper: #15191d;
    --wash: #1e242a; --notice: #2c2413; --notice-edge: #d99100;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.6 var(--sans); font-variant-numeric: tabular-nums;
  overflow-wrap: break-word;
}
header, nav, main, footer { max-width: 1000px; margin: 0 auto; padding: 0 28px; }
header { padding-top: 44px; }
.brand { margin: 0 0 10px; color: var(--soft); font-size: 14px; }
h1 { margin: 0; font-size: clamp(27px, 4.4vw, 40px); line-height: 1.18; font-weight: 700;
  letter-spacing: -0.012em; text-wrap: balance; }
:lang(zh) h1 { letter-spacing: 0; line-height: 1.3; }
.facts { margin: 10px 0 0; color: var(--soft); font-size: 14px; }
.keys { display: grid; grid-template-columns: repeat(auto-fit, minmax(160px, 1fr));
  margin: 32px 0 28px; border-top: 2px solid var(--ink); }
.keys div { display: flex; flex-direction: column; padding: 14px 18px 4px 0; }
.keys dt { order: 2; font-size: 14px; font-weight: 600; line-height: 1.35; }
.keys dd { display: contents; margin: 0; }
.keys b { order: 1; font-size: 34px; line-height: 1.15; font-weight: 700; letter-spacing: -0.02em; }
.keys div:first-child b { color: var(--federated); }
.keys span { order: 3; font-size: 13px; line-height: 1.4; color: var(--soft); }
.lead { display: grid; grid-template-columns: max-content minmax(0, 44em); gap: 10px 28px;
  margin: 26px 0 0; font-size: 17px; line-height: 1.55; }
.lead dt { color: var(--soft); font-size: 14px; line-height: 26px; }
.lead dd { margin: 0; }
.notice { max-width: 52em; margin: 26px 0 0; padding: 12px 18px; list-style: none;
  background: var(--notice); border-left: 4px solid var(--notice-edge); font-size: 15px; }
nav { display: flex; flex-wrap: wrap; gap: 4px 20px; margin-top: 30px; font-size: 14px; }
nav::before { content: ""; flex: 0 0 100%; border-top: 1px solid var(--grid); margin-bottom: 8px; }
nav a { color: var(--federated); text-decoration: none; }
nav a:hover, nav a:focus-visible { text-decoration: underline; }
section { padding-top: 52px; }
h2 { margin: 0 0 8px; font-size: 24px; line-height: 1.3; font-weight: 700; }
p, dd, li { text-wrap: pretty; }
section > p { max-width: 46em; margin: 0 0 14px; }
.points { max-width: 48em; margin: 0 0 14px; padding-left: 20px; }
.points li { margin-bottom: 5px; }
.points li::marker { color: var(--soft); }
table + .points, .scroll + .points { color: var(--soft); font-size: 14px; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 400px), 1fr));
  gap: 30px 44px; margin: 20px 0 24px; align-items: start; }
figure { margin: 0; min-width: 0; max-width: 500px; }
figcaption { font-weight: 600; line-height: 1.4; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 18px; margin: 4px 0 0; padding: 0;
  list-style: none; font-size: 13px; color: var(--soft); }
.legend li { display: flex; align-items: center; gap: 7px; }
.legend i { flex: none; display: inline-block; }
.legend [class^="line-"] { width: 22px; border-top: 2px dashed currentColor; }
.legend .line-federated { border-top-style: solid; }
.legend .line-ideal { border-top: 2px dotted var(--soft); }
.legend [class^="dot-"] { width: 11px; height: 11px; border-radius: 50%; background: currentColor; }
.legend [class^="diamond-"] { width: 8px; height: 8px; transform: rotate(45deg);
  background: currentColor; }
.legend [class^="bar-"] { width: 3px; height: 14px; background: currentColor; }
.legend [class^="box-"] { width: 11px; height: 11px; background: currentColor; }
.legend [class$="-federated"] { color: var(--federated); }
.legend [class$="-local"] { color: var(--local); }
.legend [class$="-pooled"] { color: var(--pooled); }
.legend [class$="-rule"] { color: var(--rule); }
svg { display: block; width: 100%; height: auto; margin-top: 8px; overflow: visible;
  font-family: var(--sans); }
svg * { stroke-linejoin: round; stroke-linecap: butt; }
.note { margin: 4px 0 0; font-size: 13px; color: var(--soft); line-height: 1.5; }
.scroll { overflow-x: auto; margin: 18px 0; }
table { border-collapse: collapse; min-width: min(100%, 360px); font-size: 14px; line-height: 1.4; }
.wide { width: 100%; }
caption { text-align: left; font-weight: 600; padding-bottom: 6px; }
th, td { padding: 6px 14px 6px 0; text-align: left; vertical-align: top; }
th { color: var(--soft); font-weight: 600; vertical-align: bottom;
  border-bottom: 1.5px solid var(--soft); }
td { border-bottom: 1px solid var(--grid); overflow-wrap: break-word; min-width: 6em; }
td:first-child { min-width: 9em; }
td.n { min-width: 0; }
.n { text-align: right; padding: 6px 0 6px 16px; }
td.n { white-space: nowrap; }
.marked td { background: var(--wash); font-weight: 600; }
details { margin: 14px 0; }
summary { cursor: pointer; color: var(--federated); font-size: 14px; width: fit-content; }
footer { margin-top: 60px; padding-top: 18px; padding-bottom: 40px; font-size: 13px;
  color: var(--soft); border-top: 1px solid var(--grid); }
@media (max-width: 560px) {
  header, nav, main, footer { padding-left: 18px; padding-right: 18px; }
  header { padding-top: 26px; }
  .keys { grid-template-columns: 1fr 1fr; }
  .keys b { font-size: 27px; }
  .lead { grid-template-columns: minmax(0, 1fr); gap: 0; font-size: 16px; }
  .lead dd { margin-bottom: 10px; }
  .wide :is(th, td):first-child { position: sticky; left: 0; background: var(--paper); }
  .wide .marked td:first-child { background: var(--wash); }
  section { padding-top: 40px; }
}
@media print {
  :root {
    --federated: #0072b2; --local: #d55e00; --pooled: #4a525c; --rule: #009e73;
    --ink: #000; --soft: #444; --grid: #ccc; --paper: #fff; --wash: #eee;
    --notice: #fff; color-scheme: light;
  }
  @page { margin: 16mm 14mm; }
  body { font-size: 10pt; }
  h1 { font-size: 21pt; }
  .lead { font-size: 10.5pt; }
  .keys { grid-template-columns: repeat(auto-fit, minmax(105px, 1fr)); }
  .keys b { font-size: 19pt; }
  section { padding-top: 30px; }
  section > p:has(+ .figures, + .scroll) { break-after: avoid; }
  table { font-size: 9pt; }
  th, td { padding-top: 3px; padding-bottom: 3px; }
  header, nav, main, footer { max-width: none; padding: 0; }
  nav { display: none; }
  .figures { grid-template-columns: 1fr 1fr; }
  figure, tr, .notice { break-inside: avoid; }
  h2, figcaption, caption, thead { break-after: avoid; }
  .scroll { overflow: visible; }
  details::details-content { content-visibility: visible; block-size: auto; }
  summary { color: inherit; }
}
"""
