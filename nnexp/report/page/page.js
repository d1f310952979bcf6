
"use strict";
// Tables sort by a click, or by Enter or the space bar, on a heading: numbers the larger or smaller first in turn.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  const given = [...body.rows];
  heads.forEach((head, column) => {
    head.firstElementChild.addEventListener("click", () => {
      const before = head.getAttribute("aria-sort");
      const next = before === "none" ? "ascending" : before === "ascending" ? "descending" : "none";
      heads.forEach((one) => one.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", next);
      const sign = next === "descending" ? -1 : 1;
      const value = (row) => row.cells[column].dataset.v;
      const text = (row) => row.cells[column].textContent;
      const compare = (a, b) => {
        if (value(a) !== undefined && value(b) !== undefined) return sign * (Number(value(a)) - Number(value(b)));
        if (value(a) !== undefined || value(b) !== undefined) return value(a) === undefined ? 1 : -1;
        if (!text(a) || !text(b)) return text(a) ? -1 : text(b) ? 1 : 0;
        return sign * text(a).localeCompare(text(b), "en", { numeric: true });
      };
      body.append(...(next === "none" ? given : [...given].sort(compare)));
    });
  });
}
