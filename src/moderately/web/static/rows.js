// A table's rows by keyboard: j and k go, Enter opens, x ticks. And the ticks themselves.

import { onKey } from "./keys.js";

export function setUpRows(root) {
  const all = document.getElementById("all");
  const rows = () => [...root.querySelectorAll("tbody tr[data-key]")];
  const ticks = () => [...root.querySelectorAll("input[name=id]")];
  const current = () => document.activeElement?.closest?.("tr[data-key]");
  let last = "";

  function go(step) {
    const known = rows();
    const here = current()?.dataset.key ?? last;
    const index = known.findIndex((row) => row.dataset.key === here);
    const row = known[index < 0 ? 0 : Math.min(Math.max(index + step, 0), known.length - 1)];
    if (!row) return;
    last = row.dataset.key;
    row.focus({ preventScroll: true });
    row.scrollIntoView({ block: "nearest" });
  }

  function show() {
    const chosen = ticks().filter((one) => one.checked).length;
    all.hidden = false;
    all.checked = chosen > 0 && chosen === ticks().length;
    all.indeterminate = chosen > 0 && !all.checked;
    const bar = document.getElementById("bulk-bar");
    bar.classList.toggle("is-empty", chosen === 0);
    document.getElementById("selected").textContent = chosen ? `${chosen} selected` : "Select rows to act on them";
    for (const button of bar.querySelectorAll("button")) button.disabled = chosen === 0;
  }

  function clear() {
    for (const one of ticks()) one.checked = false;
    show();
  }

  root.addEventListener("change", show);
  all.addEventListener("change", () => {
    for (const one of ticks()) one.checked = all.checked;
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
