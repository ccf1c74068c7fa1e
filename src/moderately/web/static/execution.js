// The page of one execution, kept up to date: on each event it is fetched anew and what has changed
// is taken over. What streams (tokens, progress, the step that runs) is shown at once.

import { follow } from "./live.js";
import { refresh } from "./morph.js";
import { localTimes, tick } from "./times.js";

const root = document.getElementById("execution");
const bubbles = new Map();

showCopying(document);
document.addEventListener("click", copy);
tick();
openTarget();
window.addEventListener("hashchange", openTarget);
if ("follow" in root.dataset) {
  const url = `/ui/executions/${encodeURIComponent(root.dataset.id)}/events`;
  follow(() => `${url}?after=${root.dataset.last}&live=true`, { look, onMessage, onLive });
}

async function look() {
  const { changed } = await refresh(location.href, { headers: { "x-fragment": "execution" } });
  for (const part of changed) {
    localTimes(part);
    showCopying(part);
  }
  const conversation = document.getElementById("conversation");
  if (conversation && bubbles.size) conversation.hidden = false;
}

function onMessage(event) {
  const { type, data } = event;
  if (type === "message") {
    drop(data.step ?? "");
  } else if (type === "progress") {
    showProgress(data);
  } else if (type === "step.completed" || type === "step.failed") {
    showNow("");
  }
  if (type === "step.retried") drop(data.id);
  if (type.startsWith("execution.")) {
    showNow("");
    // What an attempt was about to say, the next one says anew.
    for (const step of [...bubbles.keys()]) drop(step);
  }
  appendEvent(event);
}

function onLive({ type, data }) {
  if (type === "token") appendToken(data);
  else if (type === "step.started") showNow(data.name);
  return type === "step.started";
}

function showNow(name) {
  const now = document.getElementById("now-at");
  if (!now) return;
  now.hidden = !name;
  now.textContent = name ? `Now: ${name}` : "";
}

function showProgress({ fraction, message }) {
  const bar = document.getElementById("progress");
  if (!bar || typeof fraction !== "number") return;
  bar.value = fraction;
  const words = message ? ` · ${message}` : "";
  document.getElementById("progress-text").textContent = `${Math.round(fraction * 100)}%${words}`;
}

function appendToken({ text, step = "" }) {
  const place = document.getElementById("tokens");
  if (!place) return;
  document.getElementById("conversation").hidden = false;
  let bubble = bubbles.get(step);
  if (!bubble) {
    bubble = document.createElement("p");
    bubble.className = "live-message";
    bubbles.set(step, bubble);
    place.append(bubble);
  }
  bubble.append(text);
}

function drop(step) {
  bubbles.get(step)?.remove();
  bubbles.delete(step);
}

// The same row as the server's, which takes its place when the page is fetched anew.
function appendEvent({ seq, type, data, created_at: at }) {
  const list = document.getElementById("events");
  const kind = list.dataset.kind;
  if (!list.offsetParent || (kind && kind !== type)) return;
  if (list.querySelector(`[data-key="event-${seq}"]`)) return;
  const row = document.createElement("li");
  row.dataset.key = `event-${seq}`;
  const time = document.createElement("time");
  time.dateTime = at;
  const text = type === "log" ? `${data.level}: ${data.message}` : JSON.stringify(data);
  row.append(cell("seq", seq), " ", time, " ", cell("kind", type), " ", cell("data", text.slice(0, 300)));
  const box = list.parentElement;
  const wasAtEnd = box.scrollTop + box.clientHeight >= box.scrollHeight - 4;
  list.append(row);
  localTimes(row);
  if (wasAtEnd) box.scrollTop = box.scrollHeight;
}

function cell(name, text) {
  const made = document.createElement("span");
  made.className = name;
  made.textContent = text;
  return made;
}

// A link to what is folded away opens it.
function openTarget() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let fold = target?.closest?.("details"); fold; fold = fold.parentElement?.closest("details")) {
    fold.open = true;
  }
}

function showCopying(part) {
  if (!navigator.clipboard) return;
  for (const button of part.querySelectorAll(".copy[hidden]")) button.hidden = false;
}

async function copy({ target }) {
  const button = target.closest?.(".copy");
  if (!button) return;
  await navigator.clipboard.writeText(button.parentElement.querySelector("pre").textContent);
  button.firstChild.nodeValue = "Copied";
  setTimeout(() => { button.firstChild.nodeValue = "Copy"; }, 1500);
}
