"use strict";

// Draws the page's charts, lets its tables be sorted and searched, and changes its theme. The page
// is read from files: nothing is loaded but what the page itself names.
(() => {
  const KEPT = "harvey-report-theme";
  const root = document.documentElement;
  const systemIsDark = window.matchMedia("(prefers-color-scheme: dark)");

  // Before anything is painted, so that no page flashes in the other theme.
  root.dataset.theme = chosenTheme() ?? (systemIsDark.matches ? "dark" : "light");

  function chosenTheme() {
    try {
      const theme = localStorage.getItem(KEPT);
      return theme === "dark" || theme === "light" ? theme : null;
    } catch {
      return null;
    }
  }

  function keepTheme(theme) {
    try {
      localStorage.setItem(KEPT, theme);
    } catch {
      // A browser that keeps nothing for files shows the system's theme next time.
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    const drawings = charts();
    themeButton(drawings);
    printing(drawings);
    document.querySelectorAll(".grid").forEach(sortAndSearch);
    markChapter();
    document.addEventListener("mouseover", (event) => sayPlace(event.target));
  });

  // Charts that come into view are drawn first, one after the other; the rest when there is time.
  function charts() {
    const themes = JSON.parse(document.getElementById("themes").textContent);
    const places = [...document.querySelectorAll(".drawing")];
    const drawn = new Map();
    let last = Promise.resolve();
    const observer = new IntersectionObserver(
      (entries) => entries.filter((one) => one.isIntersecting).forEach((one) => draw(one.target)),
      { rootMargin: "300px" },
    );

    const canvasOf = (place) => place.querySelector(".canvas");
    const specOf = (place) => JSON.parse(place.querySelector(".spec").textContent);
    const isDrawn = (place) => drawn.get(place)?.theme === root.dataset.theme;

    function draw(place) {
      observer.unobserve(place);
      last = last.then(() => drawNow(place));
      return last;
    }

    async function drawNow(place) {
      if (isDrawn(place)) return;
      const theme = root.dataset.theme;
      drawn.get(place)?.finalize();
      let finalize = () => {};
      try {
        const { spec, config } = fitted(specOf(place), themes[theme], place);
        const embedded = await vegaEmbed(canvasOf(place), spec, {
          actions: false,
          renderer: "svg",
          config,
          tooltip: { theme },
        });
        finalize = () => embedded.finalize();
      } catch (error) {
        canvasOf(place).textContent = "This chart could not be drawn.";
        console.error(error);
      }
      drawn.set(place, { theme, finalize });
    }

    function drawRest() {
      const left = places.find((place) => !isDrawn(place));
      if (left) draw(left).then(() => whenIdle(drawRest));
    }

    function redraw() {
      places.forEach((place) => observer.observe(place));
      whenIdle(drawRest);
    }

    redraw();
    // Print does not wait for charts to be drawn again: what is dark in them becomes light at once.
    function lighten() {
      const light = lightColours(themes.dark, themes.light);
      document.querySelectorAll(".canvas svg *").forEach((mark) => {
        for (const name of ["fill", "stroke"]) {
          const colour = light.get(mark.getAttribute(name));
          if (colour) mark.setAttribute(name, colour);
        }
      });
    }

    // What was made light counts as drawn until it is printed: drawn again it would be dark.
    function darken() {
      drawn.forEach((one) => (one.theme = null));
      redraw();
    }

    return { redraw, lighten, darken };
  }

  function lightColours(dark, light) {
    return new Map(
      Object.entries(dark).flatMap(([name, one]) => {
        if (one === light[name] || Array.isArray(one)) return [];
        return typeof one === "object" ? [...lightColours(one, light[name])] : [[one, light[name]]];
      }),
    );
  }

  // A spec and its configuration for the room that there is.
  function fitted(spec, theme, place) {
    // The place describes the whole chart to who cannot see it, so its marks need not.
    const config = { ...theme, aria: false };
    const width = place.clientWidth;
    if (place.classList.contains("sparkline")) return { spec, config: { ...config, padding: 2 } };
    // Legends stand below each other, and break their lines, where they would be cut off.
    const labels = legendLabels(spec);
    const longest = Math.max(0, ...labels.map((label) => label.length));
    const beside = namesRows(spec) ? 170 : 60;
    const columns = Math.max(1, Math.floor((width - beside) / (longest * 7 + 32)));
    if (columns >= labels.length && width > 480) return { spec, config };
    const layout = { top: { direction: "vertical", anchor: "start", margin: 6 } };
    const lines = Math.ceil(labels.length / columns) - 1;
    const isGrown = typeof spec.height === "number" && lines > 0;
    return {
      spec: isGrown ? { ...spec, height: spec.height + 14 * lines } : spec,
      config: { ...config, legend: { ...theme.legend, columns, layout } },
    };
  }

  function legendLabels(spec) {
    const domains = partsOf(spec).map((part) => part.color?.scale?.domain);
    const named = domains.filter((one) => Array.isArray(one) && typeof one[0] === "string");
    return [...new Set(named.flat())];
  }

  // Whether names stand to the left of a chart, which leave less room to the right of them.
  function namesRows(spec) {
    return partsOf(spec).some((part) => part.y?.type === "nominal");
  }

  function partsOf(spec) {
    return [spec, ...(spec.layer ?? []).flatMap(partsOf)].map((one) => one.encoding ?? one);
  }

  function whenIdle(work) {
    if ("requestIdleCallback" in window) requestIdleCallback(work, { timeout: 2000 });
    else setTimeout(work, 50);
  }

  function themeButton(drawings) {
    const button = document.getElementById("theme");
    const set = (theme) => {
      const changed = root.dataset.theme !== theme;
      root.dataset.theme = theme;
      button.textContent = theme === "dark" ? "Light theme" : "Dark theme";
      if (changed) drawings.redraw();
    };
    set(root.dataset.theme);
    button.hidden = false;
    button.addEventListener("click", () => {
      const theme = root.dataset.theme === "dark" ? "light" : "dark";
      keepTheme(theme);
      set(theme);
    });
    systemIsDark.addEventListener("change", (event) => {
      if (!chosenTheme()) set(event.matches ? "dark" : "light");
    });
  }

  function printing(drawings) {
    let opened = [];
    window.addEventListener("beforeprint", () => {
      opened = [...document.querySelectorAll("details:not([open])")];
      opened.forEach((one) => (one.open = true));
      if (root.dataset.theme === "dark") drawings.lighten();
    });
    window.addEventListener("afterprint", () => {
      opened.forEach((one) => (one.open = false));
      if (root.dataset.theme === "dark") drawings.darken();
    });
  }

  function sortAndSearch(grid) {
    const body = grid.querySelector("tbody");
    if (!body) return;
    const rows = [...body.rows];
    const headers = [...grid.querySelectorAll("thead th")];
    headers.forEach((header, column) => {
      const button = header.querySelector("button");
      button.disabled = false;
      button.addEventListener("click", () => {
        const numeric = header.classList.contains("number");
        const before = header.getAttribute("aria-sort");
        // What is most comes first, and names go from A to Z.
        const first = numeric ? "descending" : "ascending";
        const other = numeric ? "ascending" : "descending";
        const order = before === first ? other : first;
        headers.forEach((one) => one.removeAttribute("aria-sort"));
        header.setAttribute("aria-sort", order);
        body.append(...sorted(rows, column, order === "ascending" ? 1 : -1));
      });
    });
    const input = grid.querySelector("input[type=search]");
    if (!input) return;
    const texts = rows.map((row) => row.textContent.toLowerCase());
    const found = grid.querySelector(".found");
    const search = () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let count = 0;
      rows.forEach((row, at) => {
        row.hidden = !words.every((word) => texts[at].includes(word));
        count += row.hidden ? 0 : 1;
      });
      found.textContent = words.length ? `${count} of ${rows.length} rows` : "";
    };
    input.addEventListener("input", search);
    grid.querySelector(".search").hidden = false;
    // A browser may have kept what was typed before the page was loaded again.
    search();
  }

  // Cells without a value stay below in either direction.
  function sorted(rows, column, direction) {
    const values = new Map(rows.map((row) => [row, valueOf(row.cells[column])]));
    return [...rows].sort((one, other) => {
      const a = values.get(one);
      const b = values.get(other);
      if (a === null || b === null) return (a === null) - (b === null);
      if (typeof a === "string" || typeof b === "string") {
        return direction * String(a).localeCompare(String(b), "en", { numeric: true });
      }
      return direction * (a - b);
    });
  }

  function valueOf(cell) {
    if (cell.dataset.value) return JSON.parse(cell.dataset.value);
    return cell.textContent.trim() === "–" ? null : cell.textContent.trim();
  }

  // Who doubts a figure reads where it stands: `schema.table.column`.
  function sayPlace(target) {
    const figure = target.closest?.("[data-column]");
    if (figure && !figure.title) {
      figure.title = `${figure.closest("[data-table]").dataset.table}.${figure.dataset.column}`;
    }
  }

  function markChapter() {
    const links = new Map(
      [...document.querySelectorAll(".chapters a")].map((one) => [one.hash.slice(1), one]),
    );
    const seen = new Set();
    const observer = new IntersectionObserver(
      (entries) => {
        entries.forEach((one) => seen[one.isIntersecting ? "add" : "delete"](one.target.id));
        const current = [...links.keys()].find((key) => seen.has(key));
        links.forEach((link, key) => {
          if (key === current) link.setAttribute("aria-current", "true");
          else link.removeAttribute("aria-current");
        });
      },
      { rootMargin: "-15% 0px -70% 0px" },
    );
    document.querySelectorAll(".chapter").forEach((one) => observer.observe(one));
  }
})();
