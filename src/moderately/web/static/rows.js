// A table's rows by keyboard: j and k go, Enter opens, x ticks. And the ticks themselves.

import { onKey } from "./keys.js";

export function setUpRows(root) {
  const all = () => [...root.querySelectorAll("tbody tr[data-key]")];
  const ticks = () => [...root.querySelectorAll("input[name=id]")];
  const current = () => document.activeElement?.closest?.("tr[data-key]");
  let last = "";

  function go(step) {
    const rows = all();
    const here = current()?.dataset.key ?? last;
    const index = rows.findIndex((row) => row.dataset.key === here);
    const row = rows[index < 0 ? 0 : Math.min(Math.max(index + step, 0), rows.length - 1)];
    if (!row) return;
    last = row.dataset.key;
    row.focus({ preventScroll: true });
    row.scrollIntoView({ block: "nearest" });
  }

  function show() {
    const chosen = ticks().filter((one) => one.checked).length;
    const header = root.querySelector("#all");
    if (header) {
      header.hidden = false;
      header.checked = chosen > 0 && chosen === ticks().length;
      header.indeterminate = chosen > 0 && !header.checked;
    }
    const bar = document.getElementById("bulk-bar");
    bar.classList.toggle("is-empty", chosen === 0);
    document.getElementById("selected").textContent = chosen ? `${chosen} selected` : "Select rows to act on them";
    for (const button of bar.querySelectorAll("button")) button.disabled = chosen === 0;
  }

  function clear() {
    for (const one of ticks()) one.checked = false;
    show();
  }

  root.addEventListener("change", (event) => {
    if (event.target.id === "all") for (const one of ticks()) one.checked = event.target.checked;
    show();
  });
  onKey("j", () => go(1));
  onKey("k", () => go(-1));
  onKey("Enter", (event) => {
    const row = event.target.closest?.("tr[data-key]");
    if (row !== event.target || !row) return false;
    row.querySelector("td.name a").click();
    return true;
  });
  onKey("x", () => {
    const tick = current()?.querySelector("input[name=id]");
    if (!tick) return false;
    tick.checked = !tick.checked;
    show();
    return true;
  });
  show();
  return { show, clear, count: () => ticks().filter((one) => one.checked).length };
}
