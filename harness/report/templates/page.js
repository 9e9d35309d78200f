"use strict";
(() => {
  const root = document.documentElement;
  const all = (selector, inside = document) => [...inside.querySelectorAll(selector)];

  // Colours: what the reader chose is kept where the browser allows it, and the button says which is on.
  const toggle = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const kept = (value) => {
    try {
      if (value) localStorage.setItem("theme", value);
      return localStorage.getItem("theme");
    } catch {
      return value;
    }
  };
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const say = () => { toggle.textContent = dark() ? "Dark: switch to light" : "Light: switch to dark"; };
  if (["light", "dark"].includes(kept())) root.dataset.theme = kept();
  toggle.hidden = false;
  say();
  system.addEventListener("change", say);
  toggle.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    kept(root.dataset.theme);
    say();
  });

  // Folded parts: a link into one opens it, and so does printing.
  const open = (target) => {
    const inside = target.tagName === "DETAILS" ? target : target.closest("details");
    for (let one = inside; one; one = one.parentElement.closest("details")) one.open = true;
  };
  const follow = () => {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target) {
      open(target);
      (target.classList.contains("part-body") ? target.parentElement : target).scrollIntoView();
    }
  };
  addEventListener("hashchange", follow);
  follow();
  const unfold = document.getElementById("unfold");
  const parts = all("details.page");
  unfold.hidden = false;
  unfold.addEventListener("click", () => {
    const closed = parts.some((one) => !one.open);
    for (const one of parts) one.open = closed;
    unfold.textContent = closed ? "Close all" : "Open all";
  });
  addEventListener("beforeprint", () => { for (const one of parts) one.open = true; });

  // Sorting: words stand behind the numbers, whichever way a column is sorted.
  const value = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.sort === undefined ? cell.textContent.trim() : Number(cell.dataset.sort);
  };
  const compare = (a, b, sign) => {
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
    return sign * (typeof a === "number" ? a - b : a.localeCompare(b, undefined, { numeric: true }));
  };
  for (const button of all("th button")) {
    button.addEventListener("click", () => {
      const heading = button.closest("th");
      const body = heading.closest("table").tBodies[0];
      const descending = heading.getAttribute("aria-sort") === "ascending";
      for (const other of heading.parentElement.cells) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
      const sign = descending ? -1 : 1;
      const rows = [...body.rows].sort(
        (a, b) => compare(value(a, heading.cellIndex), value(b, heading.cellIndex), sign)
      );
      body.append(...rows);
    });
  }

  // One tab stop for a table or an answer; inside, the arrow keys.
  const move = (group, reach) => {
    group.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (event.key === "Escape") group.focus();
      if (!step || event.target.tagName === "SUMMARY") return;
      const stops = all(reach, group);
      const here = stops.indexOf(document.activeElement);
      if (!stops.length || (here < 0 && step < 0)) return;
      event.preventDefault();
      const vertical = event.key === "ArrowDown" || event.key === "ArrowUp";
      const cell = here >= 0 && stops[here].closest("td, th");
      const column = vertical && cell ? cell.cellIndex : -1;
      let next = here + step;
      while (column >= 0 && stops[next] && stops[next].closest("td, th").cellIndex !== column) next += step;
      (stops[next] || stops[Math.max(here, 0)]).focus();
    });
  };
  for (const one of all(".wide")) move(one, "th button, td a, th a");
  for (const one of all(".text[tabindex]")) move(one, ".token");
  for (const answer of all(".answers > div")) {
    const detail = answer.querySelector(".detail");
    const show = (event) => {
      const token = event.target.closest(".token");
      if (detail && token) detail.textContent = token.title;
    };
    answer.addEventListener("focusin", show);
    answer.addEventListener("mouseover", show);
  }

  // A number's link: file, line, place and the value as it stands there.
  const box = document.getElementById("source");
  const put = (name, text) => { document.getElementById(`source-${name}`).textContent = text; };
  for (const link of all("a[data-line]")) {
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      const [file, pointer] = link.getAttribute("href").split("#");
      put("file", file);
      put("line", link.dataset.line === "0" ? "not known" : link.dataset.line);
      put("place", decodeURIComponent(pointer));
      put("value", link.dataset.value);
      document.getElementById("source-open").href = file;
      box.showModal();
    });
  }
  document.getElementById("source-close").addEventListener("click", () => box.close());
  document.getElementById("source-copy").addEventListener("click", (event) => {
    const text = `${document.getElementById("source-file").textContent}#${document.getElementById("source-place").textContent}`;
    const done = () => { event.target.textContent = "Copied"; };
    if (navigator.clipboard) navigator.clipboard.writeText(text).then(done, () => prompt("Copy", text));
    else prompt("Copy", text);
  });

  // Claims by verdict.
  const filter = document.querySelector(".filter");
  const only = (answer) => {
    for (const button of all("button", filter)) {
      button.setAttribute("aria-pressed", String(button.dataset.answer === answer));
    }
    for (const row of all("#table-verdicts tbody tr, #table-untestable tbody tr")) {
      row.hidden = Boolean(answer) && !row.querySelector(`td.verdict.${answer}`);
    }
    const folded = document.getElementById("folded-untestable-claims");
    if (folded && answer === "untestable") folded.open = true;
  };
  if (filter) {
    filter.hidden = false;
    filter.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) only(button.getAttribute("aria-pressed") === "true" ? "" : button.dataset.answer);
    });
    for (const link of all(".counts a")) link.addEventListener("click", () => only(link.dataset.answer));
  }
})();
