// Makes one piece of a page like another one, and leaves alone what the reader is at: the focus,
// what is selected, open <details>, ticked rows and half-filled fields.
//
// Children are matched by `data-key` or `id`; the others by their place. An element with
// `data-keep` is never touched.

export function morph(from, to) {
  if (from.isEqualNode(to) || from.hasAttribute("data-keep")) return;
  attributes(from, to);
  children(from, to);
}

// Fetches a page and makes the parts that both have alike: those with `data-live` and an id.
export async function refresh(url, { headers = {}, signal } = {}) {
  const reply = await fetch(url, { headers, signal, credentials: "same-origin" });
  if (!reply.ok) throw Object.assign(new Error(`HTTP ${reply.status}`), { status: reply.status });
  const page = new DOMParser().parseFromString(await reply.text(), "text/html");
  if (page.title) document.title = page.title;
  const active = document.activeElement;
  const changed = [];
  for (const fresh of page.querySelectorAll("[data-live][id]")) {
    const old = document.getElementById(fresh.id);
    if (!old || old.isEqualNode(fresh)) continue;
    morph(old, fresh);
    changed.push(old);
  }
  // A row that moved has lost the focus on its way.
  if (active !== document.activeElement && active.isConnected) active.focus({ preventScroll: true });
  return { changed, page };
}

function keyOf(node) {
  return node.nodeType === Node.ELEMENT_NODE ? node.dataset?.key || node.id || "" : "";
}

function attributes(from, to) {
  const isOpened = from.tagName === "DETAILS" || from.tagName === "DIALOG";
  for (const { name } of [...from.attributes]) {
    if (!to.hasAttribute(name) && !(isOpened && name === "open")) from.removeAttribute(name);
  }
  for (const { name, value } of to.attributes) {
    if (isOpened && name === "open") continue;
    if (from.getAttribute(name) !== value) from.setAttribute(name, value);
  }
}

function isTouched(node) {
  if (!node.matches("input, textarea, select")) return false;
  if (node === document.activeElement) return true;
  if (node.tagName === "SELECT") return [...node.options].some((one) => one.selected !== one.defaultSelected);
  return node.value !== node.defaultValue || node.checked !== node.defaultChecked;
}

function children(from, to) {
  const keyed = new Map();
  for (const child of from.childNodes) {
    const key = keyOf(child);
    if (key) keyed.set(key, child);
  }
  let place = from.firstChild;
  for (const fresh of [...to.childNodes]) {
    const key = keyOf(fresh);
    let match = key ? keyed.get(key) : place;
    if (match && !key && (keyOf(match) || !isAlike(match, fresh))) match = null;
    if (!match || !isAlike(match, fresh)) {
      from.insertBefore(document.importNode(fresh, true), place);
      continue;
    }
    keyed.delete(key);
    if (match === place) place = place.nextSibling;
    else from.insertBefore(match, place);
    update(match, fresh);
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

function isAlike(one, other) {
  return one.nodeType === other.nodeType && one.nodeName === other.nodeName;
}

function update(node, fresh) {
  if (node.nodeType !== Node.ELEMENT_NODE) {
    if (node.nodeValue !== fresh.nodeValue) node.nodeValue = fresh.nodeValue;
  } else if (!isTouched(node)) {
    morph(node, fresh);
  }
}
