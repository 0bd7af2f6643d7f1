"use strict";
// Sorts tables by a click on a heading, and copies code. Without it the page says the same.
const number = /^[-+]?[\d,]*\.?\d+(e[-+]?\d+)?/i;

function keyOf(row, column) {
  const text = row.cells[column].textContent.trim();
  const found = column ? text.match(number) : null;
  return { text, value: found ? parseFloat(found[0].replace(/,/g, "")) : NaN };
}

function compare(one, other) {
  if (!Number.isNaN(one.value) && !Number.isNaN(other.value)) return one.value - other.value;
  return one.text.localeCompare(other.text, "en", { numeric: true });
}

function isMissing(key) {
  return key.text === "" || key.text === "-";
}

// Sums stay where they are: what lies between two of them is sorted by itself.
function sort(table, head, column) {
  const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
  const body = table.tBodies[0];
  const groups = [[]];
  for (const row of body.rows) {
    if (row.classList.contains("sum")) groups.push([row], []);
    else groups[groups.length - 1].push(row);
  }
  for (const group of groups) {
    const keyed = group.map((row) => ({ row, key: keyOf(row, column) }));
    keyed.sort((a, b) => isMissing(a.key) - isMissing(b.key) || sign * compare(a.key, b.key));
    body.append(...keyed.map((each) => each.row));
  }
}

for (const table of document.querySelectorAll("table")) {
  if (table.tBodies[0].rows.length < 3) continue;
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.title = "Sort by this column";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => sort(table, head, column));
  });
}

function select(node) {
  const range = document.createRange();
  range.selectNodeContents(node);
  const selection = window.getSelection();
  selection.removeAllRanges();
  selection.addRange(range);
}

for (const code of document.querySelectorAll("pre")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    let copied = true;
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch {
      select(code);
      copied = document.execCommand("copy");
    }
    button.textContent = copied ? "Copied" : "Selected";
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  code.parentNode.insertBefore(button, code);
}
