/* Draws each [data-figure]; colours are written as var(--c1) or var(--c1/45) and follow the theme. */
(() => {
  "use strict";
  const probe = document.createElement("i");
  probe.hidden = true;
  document.body.append(probe);

  const colour = (token, opacity) => {
    probe.style.color = `var(${token})`;
    const [red, green, blue] = getComputedStyle(probe).color.match(/[\d.]+/g);
    return `rgba(${red},${green},${blue},${opacity ? opacity / 100 : 1})`;
  };

  const painted = (value) => {
    if (typeof value === "string") {
      return value.replace(/var\((--[\w-]+)(?:\/(\d+))?\)/g, (_, token, opacity) => colour(token, opacity));
    }
    if (Array.isArray(value)) return value.map(painted);
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, painted(one)]));
    }
    return value;
  };

  const axis = {
    gridcolor: "var(--line)", linecolor: "var(--line)", zerolinecolor: "var(--line)", automargin: true,
    title: { font: { size: 12 } },
  };
  const template = () => ({
    layout: {
      font: { family: getComputedStyle(document.body).fontFamily, size: 13, color: "var(--ink-2)" },
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      colorway: Array.from({ length: 14 }, (_, index) => `var(--c${index + 1})`),
      margin: { l: 8, r: 8, t: 8, b: 8 }, xaxis: axis, yaxis: axis, bargap: 0.35,
      legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
      hoverlabel: { bgcolor: "var(--ink)", bordercolor: "var(--ink)", font: { color: "var(--paper)" } },
    },
    data: { sankey: [{ node: { line: { width: 0 }, pad: 18, thickness: 14 }, textfont: { color: "var(--ink)" } }] },
  });

  const draw = (place) => {
    const figure = JSON.parse(document.getElementById(place.dataset.figure).textContent);
    const layout = { ...figure.layout, template: template(), autosize: true };
    const options = { showSendToCloud: false, displaylogo: false, responsive: true, displayModeBar: false };
    place.dataset.state = "drawn";
    return Plotly.react(place, painted(figure.data), painted(layout), options);
  };
  const drawn = (place) => {
    try {
      draw(place);
    } catch (error) {
      place.dataset.state = "failed";
      throw error;
    }
  };
  const all = (selector) => document.querySelectorAll(selector).forEach(drawn);

  all("[data-figure]");
  document.addEventListener("htmx:load", () => all("[data-figure]:not([data-state])"));
  new MutationObserver(() => all("[data-figure]")).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => all("[data-figure]"));
})();
