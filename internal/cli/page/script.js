"use strict";
(() => {
  const find = (name) => document.getElementById(name);
  const search = find("search"), section = find("section"), role = find("role"), reasons = find("reasons");
  const sections = Array.from(document.querySelectorAll("section"));
  const rows = sections.map((s) => Array.from(s.querySelectorAll("tbody tr")));
  const text = new Map();
  rows.flat().forEach((row) => text.set(row, row.textContent.toLowerCase()));

  const show = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0, total = 0;
    sections.forEach((s, i) => {
      const wanted = section.value === "" || section.value === s.id;
      let here = 0;
      rows[i].forEach((row) => {
        const roles = (row.dataset.roles || "").split(" ");
        const fits = words.every((w) => text.get(row).includes(w)) && (role.value === "" || roles.includes(role.value));
        row.hidden = !fits;
        here += fits ? 1 : 0;
      });
      s.hidden = !wanted || (here === 0 && rows[i].length > 0);
      shown += wanted ? here : 0;
      total += rows[i].length;
    });
    find("count").textContent = shown + " of " + total;
  };

  const key = (row, column) => {
    const cell = row.children[column];
    return cell.dataset.order === undefined ? cell.textContent : cell.dataset.order;
  };
  const sort = (heading, rowsHere) => {
    const column = heading.cellIndex;
    const direction = heading.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    heading.parentNode.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", direction === 1 ? "ascending" : "descending");
    rowsHere.sort((a, b) => direction * key(a, column).localeCompare(key(b, column), "en", { numeric: true }));
    const body = heading.closest("table").tBodies[0];
    rowsHere.forEach((row) => body.append(row));
  };

  sections.forEach((s, i) => {
    s.querySelectorAll("thead th").forEach((heading) => {
      heading.querySelector("button").addEventListener("click", () => sort(heading, rows[i]));
    });
  });
  [search, section, role].forEach((field) => field.addEventListener("input", show));
  const tell = () => document.body.classList.toggle("reasons", reasons.checked);
  reasons.addEventListener("input", tell);
  document.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
  // Without this script there is no field, and every reason is shown.
  document.querySelector("form").hidden = false;
  reasons.closest("label").hidden = document.querySelector("small") === null;
  tell();
  show();
})();
