// Draw each chart from the table below it, in the colours of the theme.

const PLANNED = "planned";

export function drawCharts() {
  const charts = [...document.querySelectorAll("canvas[data-table]")].map((canvas) => {
    return new Chart(canvas, coloured({ data: dataOf(canvas), options: options("stacked" in canvas.dataset) }));
  });
  const repaint = () => {
    for (const chart of charts) coloured(chart).update(); // the update mode "none" would keep the old colours of the bars
  };
  new MutationObserver(repaint).observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
}

function dataOf(canvas) {
  const table = document.getElementById(canvas.dataset.table);
  const rows = [...table.tBodies[0].rows];
  const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", timeZone: "UTC" });
  const labels = rows.map((row) => day.format(new Date(row.cells[0].textContent)));
  const heads = [...table.tHead.rows[0].cells].filter((head) => head.dataset.series);
  const datasets = heads.map((head) => ({
    key: head.dataset.series,
    label: head.textContent,
    data: rows.map((row) => Number(row.cells[head.cellIndex].textContent)),
    ...(head.dataset.series === PLANNED ? planLine(rows.length) : { type: "bar" }),
  }));
  return { labels, datasets };
}

// The plan is a stepped line behind the bars. A line through one day has no length, so its point is drawn.
function planLine(days) {
  const point = days === 1 ? { pointStyle: "line", pointRadius: 24 } : { pointRadius: 0 };
  return { type: "line", stepped: "middle", borderWidth: 2, ...point };
}

function options(stacked) {
  return {
    animation: matchMedia("(prefers-reduced-motion: reduce)").matches ? false : { duration: 250 },
    responsive: true,
    maintainAspectRatio: false,
    interaction: { mode: "index", intersect: false },
    scales: {
      x: { stacked, grid: { display: false }, ticks: { maxRotation: 0, autoSkipPadding: 16 } },
      y: { stacked, beginAtZero: true, suggestedMax: 5, ticks: { precision: 0 } },
    },
    plugins: { legend: { position: "bottom", labels: { boxWidth: 12, boxHeight: 12 } } },
  };
}

function coloured(chart) {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => toRgb(style.getPropertyValue(name).trim());
  for (const dataset of chart.data.datasets) {
    dataset.backgroundColor = dataset.borderColor = of(`--chart-${dataset.key}`);
  }
  chart.options.font = { family: getComputedStyle(document.body).fontFamily };
  chart.options.color = of("--soft");
  chart.options.scales.x.ticks.color = chart.options.scales.y.ticks.color = of("--soft");
  chart.options.scales.x.border = chart.options.scales.y.border = { color: of("--line") };
  chart.options.scales.y.grid = { color: of("--line") };
  return chart;
}

// Chart.js cannot parse oklch(), which the theme uses; a canvas can.
function toRgb(colour) {
  const pen = (toRgb.pen ??= new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true }));
  pen.fillStyle = colour;
  pen.fillRect(0, 0, 1, 1);
  const [red, green, blue] = pen.getImageData(0, 0, 1, 1).data;
  return `rgb(${red}, ${green}, ${blue})`;
}
