// Make the page of a report interactive: charts with labels of architectures, drawings, and dark colors.
"use strict";

const root = document.documentElement;
const SVG = "http://www.w3.org/2000/svg";
// Plotly's default buttons include one that sends the chart to a server.
const BUTTONS = [["toImage", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]];
const COLORS = ["#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf"];

function isDark() {
  return (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
}

// Give a layout the colors of the page.
function withTheme(layout) {
  const color = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  Object.assign(layout, { paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)" });
  layout.font = { color: color("--text"), family: "system-ui, sans-serif" };
  layout.hoverlabel = { bgcolor: color("--stripe"), font: { color: color("--text") }, align: "left" };
  layout.modebar = { bgcolor: "rgba(0,0,0,0)", color: color("--quiet"), activecolor: color("--text") };
  for (const axis of [layout.xaxis, layout.yaxis]) {
    Object.assign(axis, { gridcolor: color("--line"), zerolinecolor: color("--line"), linecolor: color("--quiet") });
  }
  return layout;
}

function escaped(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

// Return the lines that name an architecture in the label of a point.
function labelOf(architecture) {
  const text = architecture.graph ? architecture.graph.names.join(", ").replaceAll("\n", " ") : architecture.json;
  const lines = text.slice(0, 400).match(/.{1,60}(?:[ ,]|$)|.{1,60}/g) || [];
  return [architecture.key, ...lines].map(escaped).join("<br>");
}

function element(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

// Mix a color with white. The box then hides the edges behind a vertex, as in the static drawings.
function pale(number) {
  const channels = COLORS[number % 10].match(/\w\w/g).map((hex) => Math.round(255 - 0.4 * (255 - parseInt(hex, 16))));
  return `rgb(${channels})`;
}

// Return a drawing of the graph of an architecture, with the input on the left.
function drawing(graph) {
  const lines = graph.names.map((name) => name.split("\n"));
  const widths = lines.map((ofName) => 7 * Math.max(...ofName.map((line) => line.length)) + 16);
  const step = Math.max(...widths) + 36;
  const tallest = Math.max(...graph.heights.map(Math.abs));
  const at = graph.names.map((_, v) => [graph.columns[v] * step + step / 2, (tallest - graph.heights[v]) * 70 + 70]);
  const [width, height] = [(Math.max(...graph.columns) + 1) * step, tallest * 140 + 110];
  const svg = element("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "drawing of the architecture" });
  const arrow = element("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 8, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" });
  arrow.append(element("path", { d: "M0 0L8 4L0 8z" }));
  svg.append(arrow);
  for (const [u, v] of graph.edges) {
    const [x, y] = [at[u][0] + widths[u] / 2, at[u][1]];
    const [toX, toY] = [at[v][0] - widths[v] / 2, at[v][1]];
    const isArc = graph.columns[v] - graph.columns[u] > 1 && graph.heights[u] === graph.heights[v];
    const bend = y - Math.min(60, 18 * (graph.columns[v] - graph.columns[u]));
    const d = isArc ? `M${x} ${y - 6}C${x + 20} ${bend} ${toX - 20} ${bend} ${toX} ${toY - 6}` : `M${x} ${y}L${toX} ${toY}`;
    svg.append(element("path", { d, "marker-end": "url(#arrow)" }));
  }
  const kinds = [...new Set(graph.names)].sort();
  graph.names.forEach((name, v) => {
    const [x, y] = at[v];
    const height = 14 * lines[v].length + 12;
    const box = { x: x - widths[v] / 2, y: y - height / 2, width: widths[v], height, rx: 5, stroke: "#666" };
    svg.append(element("rect", { ...box, fill: pale(kinds.indexOf(name)) }));
    const top = y - 7 * (lines[v].length - 1);
    lines[v].forEach((line, i) => svg.append(element("text", { x, y: top + 14 * i }, line)));
  });
  return svg;
}

// Plotly's names are escaped.
function plain(name) {
  return name.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&quot;", '"').replaceAll("&#x27;", "'").replaceAll("&amp;", "&");
}

// Show an architecture at the bottom of the page.
function show(architecture, title) {
  document.getElementById("architecture")?.remove();
  const panel = document.createElement("aside");
  panel.id = "architecture";
  panel.setAttribute("aria-live", "polite");
  const close = document.createElement("button");
  close.textContent = "Close";
  close.onclick = () => panel.remove();
  const heading = document.createElement("strong");
  heading.textContent = `${title}: ${architecture.key}`;
  const json = document.createElement("pre");
  json.textContent = architecture.json;
  panel.append(close, heading, ...(architecture.graph ? [drawing(architecture.graph)] : []), json);
  document.body.append(panel);
}

// Return the text of an element with compressed content.
async function unpacked(id) {
  const packed = atob(document.getElementById(id).textContent);
  const bytes = Uint8Array.from(packed, (character) => character.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

// Load Plotly from the page itself. Return false for a browser that cannot decompress it.
async function loadPlotly() {
  if (!("DecompressionStream" in window)) return false;
  const script = document.createElement("script");
  script.textContent = await unpacked("plotly");
  document.head.append(script);
  return "Plotly" in window;
}

// Replace the static figures by charts. A figure stays if its charts cannot be drawn.
async function drawCharts() {
  const drawn = [];
  const sections = new Map();
  for (const figure of document.querySelectorAll("figure[data-charts]")) {
    const { section, charts } = figure.dataset;
    if (!sections.has(section)) sections.set(section, JSON.parse(await unpacked(section)));
    const { architectures, figures } = sections.get(section);
    const box = document.createElement("div");
    box.className = "charts";
    figure.prepend(box);
    for (const _ of figures[charts]) {
      const place = document.createElement("div");
      place.className = "chart";
      box.append(place);
    }
    // Plotly reads the width of a place, so all places of a figure come first.
    for (const [i, chart] of figures[charts].entries()) {
      const place = box.children[i];
      for (const trace of chart.data) {
        if (Array.isArray(trace.customdata?.[0])) trace.text = trace.customdata.map((about) => labelOf(architectures[about[0]]));
      }
      const fixed = { hovermode: "closest", margin: { l: 70, r: 15, t: 30, b: 50 }, legend: { orientation: "h", y: -0.18 } };
      const settings = { responsive: true, displaylogo: false, showSendToCloud: false, modeBarButtons: BUTTONS };
      await Plotly.newPlot(place, chart.data, withTheme({ ...fixed, ...chart.layout }), settings);
      place.on("plotly_click", ({ points }) => {
        const point = points.find(({ customdata }) => Array.isArray(customdata));
        if (point) show(architectures[point.customdata[0]], `${plain(point.data.name)}, seed ${point.customdata[1]}`);
      });
      drawn.push(place);
    }
    figure.querySelector("img").hidden = true;
  }
  return drawn;
}

function addThemeButton(onChange) {
  const button = document.createElement("button");
  button.id = "theme";
  const name = () => { button.textContent = isDark() ? "Light colors" : "Dark colors"; };
  button.onclick = () => { root.dataset.theme = isDark() ? "light" : "dark"; name(); onChange(); };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { name(); onChange(); });
  name();
  document.body.prepend(button);
}

(async () => {
  let drawn = [];
  addThemeButton(() => drawn.forEach((place) => Plotly.react(place, place.data, withTheme(place.layout))));
  document.addEventListener("keydown", ({ key }) => { if (key === "Escape") document.getElementById("architecture")?.remove(); });
  if (document.querySelector("figure[data-charts]") && await loadPlotly()) drawn = await drawCharts();
  root.dataset.ready = "true";
})();
