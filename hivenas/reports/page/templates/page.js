"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  // By hand: in the frame in which MLflow shows a page, links within it lead nowhere.
  for (const link of all('a[href^="#"]:not([href^="#r"])')) {
    link.addEventListener("click", (event) => {
      const target = document.getElementById(link.hash.slice(1));
      event.preventDefault();
      target.scrollIntoView({ behavior: calm ? "auto" : "smooth" });
      target.tabIndex = -1;
      target.focus({ preventScroll: true });
    });
  }

  const table = document.getElementById("table");
  const tip = document.getElementById("tip");
  if (!table || !tip) return;
  document.documentElement.classList.add("js");

  // The table is the only copy of the figures: what the pictures tell is read from its lines.
  const body = table.tBodies[0];
  const lines = new Map([...body.rows].map((line) => [line.id.slice(1), line]));
  const marks = new Map();
  for (const mark of all("[data-i]")) {
    const key = mark.dataset.i;
    if (!marks.has(key)) marks.set(key, []);
    marks.get(key).push(mark);
  }

  // Sorting.
  const value = (line, column, kind) => {
    const text = line.cells[column].textContent.trim();
    if (kind === "t") return text.toLowerCase();
    const number = text.split("+").reduce((sum, part) => sum + Number.parseFloat(part.replaceAll(",", "")), 0);
    return Number.isNaN(number) ? null : number;
  };
  const sort = (head) => {
    const down = head.ariaSort === "ascending" || (head.ariaSort === null && head.textContent.trim() === "fitness");
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const keyed = [...body.rows].map((line) => [value(line, head.cellIndex, head.dataset.kind), line]);
    keyed.sort(([a], [b]) => {
      if (a === null || b === null) return (a === null) - (b === null); // what has no figure stands last
      return (a < b ? -1 : a > b ? 1 : 0) * (down ? -1 : 1);
    });
    body.append(...keyed.map(([, line]) => line));
  };
  for (const button of all("th button", table)) button.addEventListener("click", () => sort(button.parentElement));

  // Filtering: one rule for the table and for the pictures.
  const query = document.getElementById("query");
  const count = document.getElementById("count");
  const hidden = new Set();
  const words = new Map([...lines].map(([key, line]) => [key, line.textContent.toLowerCase()]));
  const filter = () => {
    const wanted = query.value.toLowerCase().split(/\s+/).filter(Boolean);
    let left = 0;
    for (const [key, line] of lines) {
      const out = [...line.classList].some((name) => hidden.has(name)) ||
        !wanted.every((word) => words.get(key).includes(word));
      line.hidden = out;
      left += !out;
      for (const mark of marks.get(key) || []) mark.classList.toggle("out", out);
    }
    const all = lines.size === 1 ? "1 evaluation" : `${lines.size} evaluations`;
    count.textContent = left === lines.size ? all : `${left} of ${all}`;
  };
  const reset = () => {
    query.value = "";
    hidden.clear();
    for (const chip of all("[data-hide]")) chip.setAttribute("aria-pressed", "true");
    filter();
  };
  query.addEventListener("input", filter);
  for (const chip of all("[data-hide]")) {
    chip.addEventListener("click", () => {
      const name = chip.dataset.hide;
      if (!hidden.delete(name)) hidden.add(name);
      chip.setAttribute("aria-pressed", String(!hidden.has(name)));
      filter();
    });
  }

  // Pointing: the evaluation nearest to the pointer, with its figures beside it.
  let lit = null;
  const light = (key) => {
    if (lit === key) return;
    for (const mark of marks.get(lit) || []) mark.classList.remove("lit");
    for (const curve of all(`[data-c="${lit}"]`)) curve.classList.remove("lit");
    lines.get(lit)?.classList.remove("lit");
    lit = key;
    for (const mark of marks.get(key) || []) mark.classList.add("lit");
    for (const curve of all(`[data-c="${key}"]`)) curve.classList.add("lit");
    lines.get(key)?.classList.add("lit");
  };
  const part = (tag, text) => Object.assign(document.createElement(tag), { textContent: text });
  const measured = all("th[data-unit]", table);
  const show = (key, x, y) => {
    const line = lines.get(key);
    if (!line) return;
    light(key);
    const cell = (number) => line.cells[number].textContent.trim();
    const figures = measured.map((head) => [cell(head.cellIndex), head.dataset.unit]).filter(([told]) => told !== "–");
    const small = [`evaluation ${cell(0)}`, cell(3), cell(4), ...figures.map((figure) => figure.join(" "))];
    const reason = line.querySelector("small");
    tip.replaceChildren(part("b", cell(1)), part("span", small.join(" · ")),
      line.querySelector("code").cloneNode(true), ...(reason ? [part("em", reason.textContent)] : []));
    tip.hidden = false;
    const { width, height } = tip.getBoundingClientRect();
    const room = document.documentElement.clientWidth;
    tip.style.left = `${Math.max(8, Math.min(x + 14, room - width - 8))}px`;
    tip.style.top = `${y - height - 14 > 8 ? y - height - 14 : y + 18}px`;
  };
  const hide = () => {
    tip.hidden = true;
    light(null);
  };
  const reveal = (key) => {
    const line = lines.get(key);
    if (!line) return;
    hide();
    if (line.hidden) reset();
    for (const other of all("tr.chosen", table)) other.classList.remove("chosen");
    line.classList.add("chosen");
    line.scrollIntoView({ block: "center", behavior: calm ? "auto" : "smooth" });
    line.tabIndex = -1;
    line.focus({ preventScroll: true });
  };
  const centre = (mark) => {
    const box = mark.getBoundingClientRect();
    return [box.left + box.width / 2, box.top + box.height / 2];
  };
  const nearest = (chart, event) => {
    const direct = event.target.closest("[data-i]");
    if (direct) return direct;
    let found = null, least = 22 ** 2;
    for (const mark of chart.marks.filter((each) => each.tagName !== "rect" && !each.classList.contains("out"))) {
      const [x, y] = centre(mark);
      const distance = (x - event.clientX) ** 2 + (y - event.clientY) ** 2;
      if (distance < least) [found, least] = [mark, distance];
    }
    return found;
  };
  for (const chart of all("svg.chart")) {
    chart.marks = all("[data-i]", chart);
    if (!chart.marks.length) continue;
    let place = -1;
    chart.addEventListener("pointermove", (event) => {
      const mark = nearest(chart, event);
      if (mark) show(mark.dataset.i, event.clientX, event.clientY);
      else hide();
      chart.classList.toggle("over", Boolean(mark));
    });
    chart.addEventListener("pointerleave", hide);
    chart.addEventListener("click", (event) => {
      const mark = nearest(chart, event);
      if (mark) reveal(mark.dataset.i);
    });
    chart.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      const seen = chart.marks.filter((mark) => !mark.classList.contains("out"));
      if (step && seen.length) {
        place = (place + step + seen.length) % seen.length;
        show(seen[place].dataset.i, ...centre(seen[place]));
      } else if (event.key === "Enter" && lit !== null) reveal(lit);
      else if (event.key === "Escape") hide();
      else return;
      event.preventDefault();
    });
    chart.addEventListener("blur", hide);
  }
  for (const item of [...lines.values(), ...all(".curves li, .members tr[data-i]")]) {
    const key = item.id ? item.id.slice(1) : item.dataset.i;
    item.addEventListener("pointerenter", () => light(key));
    item.addEventListener("pointerleave", () => light(null));
  }
  for (const link of all('a[href^="#r"]')) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      reveal(link.hash.slice(2));
    });
  }
  addEventListener("scroll", () => { if (!tip.hidden) hide(); }, { passive: true });
})();
