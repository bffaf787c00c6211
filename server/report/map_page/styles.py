"""What the map adds to the report's style sheet."""

STYLES = """\
:root { --low: #e3eef6; --high: #06436f; --band: #e9efe9; }
@media (prefers-color-scheme: dark) { :root { --band: #232c26; } }
#crumbs { font-size: 15px; margin: 0 0 14px; }
#crumbs button, #figures button { font: inherit; color: var(--federated); background: none;
  border: 0; padding: 0; cursor: pointer; }
#crumbs button:hover, #league a:hover { text-decoration: underline; }
#crumbs b { font-weight: 700; }
#crumbs i { color: var(--soft); font-style: normal; margin: 0 8px; }
.choose { display: flex; flex-wrap: wrap; gap: 10px 24px; align-items: center; }
#measures { display: flex; flex-wrap: wrap; gap: 6px; }
#measures button { font: inherit; font-size: 14px; padding: 5px 13px; cursor: pointer;
  color: var(--ink); background: var(--wash); border: 1px solid var(--grid); border-radius: 3px; }
#measures button[aria-checked="true"] { background: var(--federated); color: var(--paper);
  border-color: var(--federated); }
.choose label { font-size: 14px; color: var(--soft); }
.choose select { font: inherit; color: var(--ink); background: var(--paper);
  border: 1px solid var(--grid); padding: 4px 8px; margin-left: 6px; }
button:focus-visible, select:focus-visible, .tile:focus-visible, .row:focus-visible {
  outline: 2px solid var(--local); outline-offset: 2px; }
.two { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 400px), 1fr));
  gap: 26px 44px; margin: 18px 0 10px; align-items: start; }
.two figure { max-width: 560px; }
.tile, .row { cursor: pointer; }
.leaf { cursor: default; }
.tile:hover .face, .tile:focus .face { stroke: var(--ink); stroke-width: 2; }
.tile.here .face { stroke: var(--local); stroke-width: 3; }
.row:hover .name { text-decoration: underline; }
svg .soft { fill: var(--soft); } svg .ink { fill: var(--ink); }
#scale { display: flex; align-items: center; gap: 10px; font-size: 13px; color: var(--soft);
  margin-top: 6px; }
#scale i { flex: 1; max-width: 200px; height: 10px;
  background: linear-gradient(to right, #e3eef6, #06436f); }
#scale .none { flex: none; width: 14px; height: 14px; border: 1px dashed var(--soft);
  background: none; margin-left: 12px; }
h3 { margin: 30px 0 4px; font-size: 18px; }
#figures td.up { color: var(--rule); font-weight: 600; }
#figures td.down { color: var(--local); font-weight: 600; }
@media print { .choose, #scale .none { display: none; } .two { grid-template-columns: 1fr 1fr; } }
"""
