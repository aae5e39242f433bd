"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const headers = Array.from(table.tHead.rows[0].cells);
  const keyOf = (row, column) => {
    const cell = row.cells[column];
    const given = cell.dataset.value;
    const text = given === undefined ? cell.textContent : given;
    const number = Number(text);
    return text.trim() !== "" && Number.isFinite(number) ? number : text;
  };
  const compare = (one, other) => {
    if (typeof one === "number" && typeof other === "number") return one - other;
    if (typeof one !== typeof other) return typeof one === "number" ? -1 : 1;
    return one.localeCompare(other);
  };
  headers.forEach((header, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = header.textContent;
    header.replaceChildren(button);
    button.addEventListener("click", () => {
      const rising = header.getAttribute("aria-sort") !== "ascending";
      for (const other of headers) other.removeAttribute("aria-sort");
      header.setAttribute("aria-sort", rising ? "ascending" : "descending");
      const keyed = Array.from(body.rows, (row) => [keyOf(row, column), row]);
      keyed.sort((one, other) => (rising ? 1 : -1) * compare(one[0], other[0]));
      body.replaceChildren(...keyed.map((pair) => pair[1]));
    });
  });
}
