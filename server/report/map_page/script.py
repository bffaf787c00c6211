"""What the page does when a unit, a measure or a term is chosen. It loads and sends nothing."""

SCRIPT = r"""
"use strict";
const D = JSON.parse(document.getElementById("data").textContent), W = D.words;
const units = new Map(D.units.map(u => [u.id, u])), kids = new Map();
for (const u of D.units) if (u.parent !== null) {
  if (!kids.has(u.parent)) kids.set(u.parent, []);
  kids.get(u.parent).push(u);
}
const $ = id => document.getElementById(id), names = D.measures.map(m => m.name);
const kinds = Object.fromEntries(D.measures.map(m => [m.name, m.kind]));
const root = D.units[0];
const state = { unit: root.id, measure: names.find(m => root.measures[m] && m === "pass_rate")
  || names.find(m => root.measures[m]), term: "" };
const say = (key, values = {}) =>
  (W[key] || key).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
const title = u => u.path.length ? u.path[u.path.length - 1] || W.unstated : W.province;
const minus = text => Number(text) ? text.replace("-", "\u2212") : text.replace("-", "");
function show(m, x, sign = false) {
  if (x === null || x === undefined) return "\u2013";
  const kind = kinds[m], plus = (sign || kind === "change") && x > 0 ? "+" : "";
  if (kind === "share") return plus + minus((100 * x).toFixed(1)) + (sign ? W.points : "%");
  return plus + minus(x.toFixed(kind === "amount" ? 1 : 3));
}
function figure(u, m, term) {
  if (!term) return u.measures[m];
  const cell = (u.terms || []).find(c => c.name === term), f = cell && cell.measures[m];
  if (!f) return null;
  const e = 1.96 * (f.se ?? 0);
  return { n: f.n, mean: f.mean, estimate: f.mean, low: f.mean - e, high: f.mean + e };
}
function el(tag, attributes = {}, ...inside) {
  const html = ["div", "button", "td", "th", "tr", "option", "i", "b", "span", "thead", "tbody"];
  const made = html.includes(tag) ? document.createElement(tag)
    : document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...inside);
  return made;
}
const fill = (id, ...inside) => $(id).replaceChildren(...inside);
function short(text, pixels, size) {
  const wide = c => c.charCodeAt(0) > 0x2e80 ? size : size * 0.56;
  let used = 0, kept = "";
  for (const c of text) { used += wide(c); if (used > pixels) return kept + "\u2026"; kept += c; }
  return kept;
}
function broken(text, pixels, size) {
  if (short(text, pixels, size) === text) return [text];
  const words = text.split(" "), lines = [""];
  for (const word of words) {
    const longer = (lines[lines.length - 1] + " " + word).trim();
    if (short(longer, pixels, size) === longer || !lines[lines.length - 1])
      lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines.slice(0, 3).map(line => short(line, pixels, size));
}
function go(id) { state.unit = id; draw(); }
function act(node, id) {
  node.setAttribute("tabindex", "0");
  node.setAttribute("role", "button");
  node.addEventListener("click", () => go(id));
  node.addEventListener("keydown", e => {
    if (e.key === "Enter" || e.key === " ") { e.preventDefault(); go(id); }
  });
}
function colour(share) {
  const a = [227, 238, 246], b = [6, 67, 111];
  return "rgb(" + a.map((x, i) => Math.round(x + (b[i] - x) * share)).join() + ")";
}
function family() {
  const below = kids.get(state.unit);
  if (below) return [units.get(state.unit), below];
  const u = units.get(state.unit), up = u.parent === null ? u : units.get(u.parent);
  return [up, kids.get(up.id) || [up]];
}
function crumbs() {
  const path = [];
  for (let u = units.get(state.unit); u; u = u.parent === null ? null : units.get(u.parent))
    path.unshift(u);
  const parts = [];
  path.forEach((u, i) => {
    if (i) parts.push(el("i", {}, "\u203a"));
    if (i === path.length - 1) parts.push(el("b", {}, title(u)));
    else {
      const link = el("button", {}, title(u));
      link.addEventListener("click", () => go(u.id));
      parts.push(link);
    }
  });
  fill("crumbs", ...parts);
}
function places(below) {
  const given = below.map(u => u.path.length === 1 && D.tiles[title(u)]);
  if (below.length && given.every(Boolean)) return given;
  const across = Math.ceil(Math.sqrt(below.length * 1.2)) || 1;
  return below.map((_, i) => [i % across, Math.floor(i / across)]);
}
function tiles(parent, below) {
  const m = state.measure, values = below.map(u => figure(u, m, state.term));
  const known = values.filter(Boolean).map(f => f.estimate);
  const low = Math.min(...known), high = Math.max(...known);
  const shaped = D.shapes && below[0].path.length === 1 && below.every(u => D.shapes[title(u)]);
  const at = places(below), c = Math.max(...at.map(p => p[0])) + 1;
  const r = Math.max(...at.map(p => p[1])) + 1;
  const size = Math.min(130, 500 / c), box = shaped ? D.shapes.box
    : [0, 0, Math.max(500, c * size), r * size];
  const svg = el("svg", { viewBox: box.join(" "), role: "group", "aria-label": W.tiles });
  below.forEach((u, i) => {
    const f = values[i], share = f && high > low ? (f.estimate - low) / (high - low) : 0.5;
    const group = el("g", { class: "tile" + (u.id === state.unit ? " here" : "") });
    const paint = { class: "face", fill: f ? colour(share) : "none",
      stroke: f ? "var(--paper)" : "var(--soft)", "stroke-dasharray": f ? "none" : "4 3" };
    let x, y, wide;
    if (shaped) {
      const s = D.shapes[title(u)];
      group.append(el("path", { d: s.d, ...paint }));
      [x, y] = s.centre;
      wide = s.wide;
    } else {
      const [left, top] = [at[i][0] * size, at[i][1] * size];
      group.append(el("rect", { x: left + 2, y: top + 2, width: size - 4, height: size - 4, rx: 3,
        ...paint }));
      [x, y, wide] = [left + size / 2, top + size / 2, size - 12];
    }
    const ink = !f ? "var(--ink)" : share > 0.55 ? "#fff" : "#1c2126";
    const text = Math.max(9, Math.min(14, wide / 7.5));
    const lines = broken(title(u), wide, text);
    lines.forEach((line, n) => group.append(el("text", { x, fill: ink, "text-anchor": "middle",
      y: y - 3 - (lines.length - 1 - n) * (text + 2), "font-size": text }, line)));
    group.append(el("text", { x, y: y + text + 2, "text-anchor": "middle", fill: ink,
      "font-size": text + 1, "font-weight": 700 }, f ? show(m, f.estimate) : "\u2013"));
    group.append(el("title", {}, title(u) + ": " + (f ? show(m, f.estimate) + " (" +
      show(m, f.low) + " \u2013 " + show(m, f.high) + "), n = " + f.n : W.not_told)));
    act(group, u.id);
    svg.append(group);
  });
  $("tiles-title").textContent = W.tiles + ": " + W[m] + (state.term ? ", " + state.term : "");
  fill("tiles", svg);
  fill("scale", ...(known.length ? [show(m, low), el("i"), show(m, high)] : []),
    el("i", { class: "none" }), W.not_told);
}
function league(parent, below) {
  const m = state.measure, shown = below.map(u => [u, figure(u, m, state.term)])
    .filter(([, f]) => f).sort((a, b) => b[1].estimate - a[1].estimate);
  const mean = figure(parent, m, state.term);
  const ends = shown.flatMap(([, f]) => [f.low, f.high, f.mean]);
  if (mean) ends.push(mean.mean);
  let low = Math.min(...ends), high = Math.max(...ends);
  const pad = (high - low) * 0.04 || 0.01;
  low -= pad; high += pad;
  const left = 152, right = 104, width = 500, row = 24, top = 22;
  const x = v => left + (v - low) / (high - low) * (width - left - right);
  const tall = top + row * shown.length + 34;
  const svg = el("svg", { viewBox: `0 0 ${width} ${tall}`, role: "group" });
  const heads = [[width - 52, W.estimate], [width, state.term ? "" : W.rank]];
  svg.append(...heads.map(([at, text]) => el("text", { x: at, y: 12, "text-anchor": "end",
    class: "soft", "font-size": 12 }, text)));
  if (mean) {
    svg.append(el("line", { x1: x(mean.mean), x2: x(mean.mean), y1: 18, y2: tall - 28,
      stroke: "var(--pooled)", "stroke-dasharray": "4 3" }));
    svg.append(el("text", { x: x(mean.mean), y: tall - 6, "text-anchor": "middle", class: "soft",
      "font-size": 12 }, say("mean_line", { unit: title(parent) }) + " " + show(m, mean.mean)));
  }
  shown.forEach(([u, f], i) => {
    const y = top + row * i + row / 2, group = el("g", { class: "row" });
    group.append(el("rect", { x: 0, y: y - row / 2, width, height: row, fill: "var(--wash)",
      opacity: u.id === state.unit ? 1 : 0 }));
    group.append(el("text", { x: 0, y: y + 4, class: "ink name", "font-size": 13 },
      short(title(u), left - 12, 13)));
    group.append(el("line", { x1: x(f.low), x2: x(f.high), y1: y, y2: y,
      stroke: "var(--federated)", "stroke-width": 3, opacity: 0.45 }));
    if (!state.term) group.append(el("circle", { cx: x(f.mean), cy: y, r: 3.5, fill: "none",
      stroke: "var(--soft)" }));
    group.append(el("circle", { cx: x(f.estimate), cy: y, r: 4.5, fill: "var(--federated)" }));
    const ranks = f.rank ? (f.rank[0] === f.rank[1] ? f.rank[0] : f.rank.join("\u2013")) : "";
    group.append(el("text", { x: width - 52, y: y + 4, "text-anchor": "end", class: "ink",
      "font-size": 13 }, show(m, f.estimate)));
    group.append(el("text", { x: width, y: y + 4, "text-anchor": "end", class: "soft",
      "font-size": 12 }, ranks));
    group.append(el("title", {}, `${title(u)}: ${W.estimate} ${show(m, f.estimate)} (` +
      `${show(m, f.low)} \u2013 ${show(m, f.high)}), ${W.raw} ${show(m, f.mean)}, n = ${f.n}`));
    act(group, u.id);
    svg.append(group);
  });
  $("league-title").textContent = state.term ? say("league.term", { term: state.term }) : W.league;
  fill("league", svg);
}
function table(u) {
  const head = [W.measure, W.learners, W.raw, W.estimate, W.interval, W.rank, W.change];
  const rows = names.filter(m => root.measures[m]).map(m => {
    const f = u.measures[m], c = u.change && u.change[m];
    const moved = c ? `${show(m, c.difference, true)} ${say("since", { term: c.from })}, ` +
      (c.notable ? W.stands_out : W.within_chance) : "\u2013";
    const cells = f ? [f.n.toLocaleString("en"), show(m, f.mean), show(m, f.estimate),
      `${show(m, f.low)} \u2013 ${show(m, f.high)}`,
      u.parent === null ? "\u2013" : f.rank.join("\u2013"), moved]
      : ["\u2013", W.not_told, "\u2013", "\u2013", "\u2013", "\u2013"];
    const tone = c && c.notable ? (c.difference > 0 ? " up" : " down") : "";
    return el("tr", {}, el("td", {}, W[m]),
      ...cells.map((text, i) => el("td", { class: "n" + (i === 5 ? tone : "") }, text)));
  });
  $("here").textContent = say("here", { unit: title(u) });
  fill("figures", el("thead", {}, el("tr", {}, ...head.map((text, i) =>
    el("th", { class: i ? "n" : "" }, text)))), el("tbody", {}, ...rows));
}
function trend(u) {
  const m = state.measure, points = D.terms.map(t => [t, figure(u, m, t)]).filter(p => p[1]);
  if (points.length < 2) return fill("trend", el("span", { class: "note" }, W.no_terms));
  const ends = points.flatMap(([, f]) => [f.low, f.high]);
  const low = Math.min(...ends), high = Math.max(...ends), width = 500, tall = 210;
  const x = i => 60 + i * (width - 110) / (points.length - 1);
  const y = v => 14 + (high - v) / (high - low || 1) * (tall - 54);
  const svg = el("svg", { viewBox: `0 0 ${width} ${tall}`, role: "img", "aria-label": W.trend });
  for (const v of [low, high]) {
    svg.append(el("line", { x1: 50, x2: width - 10, y1: y(v), y2: y(v), stroke: "var(--grid)" }));
    svg.append(el("text", { x: 46, y: y(v) + 4, "text-anchor": "end", class: "soft",
      "font-size": 12 }, show(m, v)));
  }
  svg.append(el("path", { d: "M" + points.map((p, i) => `${x(i)} ${y(p[1].mean)}`).join("L"),
    fill: "none", stroke: "var(--federated)", "stroke-width": 2 }));
  points.forEach(([term, f], i) => {
    svg.append(el("line", { x1: x(i), x2: x(i), y1: y(f.low), y2: y(f.high),
      stroke: "var(--federated)", "stroke-width": 3, opacity: 0.45 }));
    svg.append(el("circle", { cx: x(i), cy: y(f.mean), r: 4.5, fill: "var(--federated)" }));
    svg.append(el("text", { x: x(i) + 8, y: y(f.mean) - 9, class: "ink", "font-size": 12 },
      show(m, f.mean)));
    svg.append(el("text", { x: x(i), y: tall - 8, "text-anchor": "middle", class: "soft",
      "font-size": 12 }, term));
  });
  fill("trend", svg);
}
function parity(u) {
  const m = state.measure, rows = Object.entries(u.parity)
    .map(([group, found]) => [group, found && found[m]]).filter(([group]) => W["parity." + group]);
  const ends = rows.flatMap(([, p]) => p ? [p.low, p.high] : []);
  const low = Math.min(0.9, ...ends) - 0.02, high = Math.max(1.1, ...ends) + 0.02;
  const left = 196, width = 480, row = 32, tall = row * rows.length + 24;
  const x = v => left + (v - low) / (high - low) * (width - left - 60);
  const svg = el("svg", { viewBox: `0 0 ${width} ${tall}`, role: "img", "aria-label": W.parity });
  svg.append(el("rect", { x: x(0.97), y: 0, width: x(1.03) - x(0.97), height: tall - 20,
    fill: "var(--band)" }));
  svg.append(el("line", { x1: x(1), x2: x(1), y1: 0, y2: tall - 20, stroke: "var(--pooled)",
    "stroke-dasharray": "4 3" }));
  svg.append(el("text", { x: x(1), y: tall - 4, "text-anchor": "middle", class: "soft",
    "font-size": 12 }, "1"));
  rows.forEach(([group, p], i) => {
    const y = row * i + row / 2;
    svg.append(el("text", { x: 0, y: y + 4, class: "ink", "font-size": 13 },
      short(W["parity." + group], left - 10, 13)));
    if (p) {
      svg.append(el("line", { x1: x(p.low), x2: x(p.high), y1: y, y2: y,
        stroke: "var(--federated)", "stroke-width": 3, opacity: 0.45 }));
      svg.append(el("circle", { cx: x(p.adjusted), cy: y, r: 4.5, fill: "var(--federated)" }));
    }
    svg.append(el("text", { x: width, y: y + 4, "text-anchor": "end",
      class: p ? "ink" : "soft", "font-size": 13 }, p ? p.adjusted.toFixed(2) : W.not_told));
  });
  fill("parity", svg);
}
function draw() {
  const u = units.get(state.unit), [parent, below] = family();
  crumbs();
  fill("measures", ...names.filter(m => root.measures[m]).map(m => {
    const pick = el("button", { role: "radio", "aria-checked": String(m === state.measure) }, W[m]);
    pick.addEventListener("click", () => { state.measure = m; draw(); });
    return pick;
  }));
  $("about").textContent = W["about." + state.measure];
  tiles(parent, below);
  league(parent, below);
  table(u);
  trend(u);
  parity(u);
}
fill("term", el("option", { value: "" }, W.all_terms),
  ...D.terms.map(t => el("option", { value: t }, t)));
$("term").addEventListener("change", e => { state.term = e.target.value; draw(); });
$("panel").hidden = false;
draw();
"""
