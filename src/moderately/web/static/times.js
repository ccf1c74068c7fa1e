// Times in the viewer's own zone, and durations that tick. The server sends UTC, which stays in
// `datetime` and in the title.

const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR;

export function localTimes(root) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    const at = new Date(element.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    const isToday = at.toDateString() === new Date().toDateString();
    element.textContent = isToday ? clock.format(at) : `${day.format(at)}, ${clock.format(at)}`;
  }
}

// The same words as the server's filter `duration`.
export function span(ms) {
  if (ms < SECOND) return `${Math.max(0, Math.round(ms))}ms`;
  if (ms < MINUTE) return `${(ms / SECOND).toFixed(1)}s`;
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)}m ${Math.floor((ms % MINUTE) / SECOND)}s`;
  if (ms < DAY) return `${Math.floor(ms / HOUR)}h ${Math.floor((ms % HOUR) / MINUTE)}m`;
  return `${Math.floor(ms / DAY)}d ${Math.floor((ms % DAY) / HOUR)}h`;
}

// Elements with `data-since` (milliseconds by the server's clock) tick; `data-now` on the body
// says what that clock showed when the page was made.
export function tick(root = document) {
  const ahead = Date.now() - Number(document.body.dataset.now || Date.now());
  setInterval(() => {
    const now = Date.now() - ahead;
    for (const element of root.querySelectorAll("[data-since]")) {
      element.textContent = span(now - Number(element.dataset.since));
    }
  }, 1000);
}
