"use strict";
(() => {
  const root = document.documentElement;
  const toggle = document.getElementById("theme");
  toggle.hidden = false;
  toggle.addEventListener("click", () => {
    const dark = root.dataset.theme
      ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    toggle.setAttribute("aria-pressed", String(!dark));
  });

  const value = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.sort === undefined ? cell.textContent.trim() : Number(cell.dataset.sort);
  };
  // Words stand behind the numbers, whichever way a column is sorted.
  const compare = (a, b, sign) => {
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
    return sign * (typeof a === "number" ? a - b : a.localeCompare(b, undefined, { numeric: true }));
  };

  for (const button of document.querySelectorAll("th button")) {
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

  for (const answer of document.querySelectorAll(".answers > div")) {
    const detail = answer.querySelector(".detail");
    const show = (event) => {
      const token = event.target.closest(".token");
      if (detail && token) detail.textContent = token.title;
    };
    answer.addEventListener("focusin", show);
    answer.addEventListener("mouseover", show);
  }
})();
