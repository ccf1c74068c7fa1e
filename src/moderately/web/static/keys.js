// Single keys as shortcuts, where nobody is typing and no dialog is open.

const actions = new Map();

export function onKey(key, action) {
  actions.set(key, action);
}

function isTyping(target) {
  return target.closest?.("input:not([type=checkbox]), textarea, select, [contenteditable]");
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (isTyping(event.target)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const action = actions.get(event.key);
  if (!action || document.querySelector("dialog[open]")) return;
  if (action(event) !== false) event.preventDefault();
});
