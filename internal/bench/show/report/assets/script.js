// The page is complete without this. It adds sorting and a filter to tables, and
// opens what is folded up before the page is printed.
"use strict";
for (const table of document.querySelectorAll(".data-table")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  if (body.rows.length < 2) continue;
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const falling = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", falling ? "descending" : "ascending");
      const value = (row) => row.cells[column].dataset.sort;
      const compare = (a, b) => {
        const x = value(a), y = value(b);
        if (x !== undefined && y !== undefined) return x - y;
        if (x !== undefined || y !== undefined) return x === undefined ? 1 : -1;
        return a.cells[column].textContent.localeCompare(b.cells[column].textContent, "en");
      };
      body.append(...[...body.rows].sort((a, b) => (falling ? -compare(a, b) : compare(a, b))));
    });
  });
  if (table.dataset.filter === undefined) continue;
  const label = document.createElement("label");
  label.className = "filter";
  label.textContent = "Show only cells with ";
  const input = document.createElement("input");
  input.type = "search";
  input.placeholder = "such as wazero call";
  const count = document.createElement("output");
  label.append(input, count);
  table.parentElement.before(label);
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of body.rows) {
      row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
      shown += !row.hidden;
    }
    count.textContent = words.length ? ` ${shown} of ${body.rows.length}` : "";
  });
}
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});
