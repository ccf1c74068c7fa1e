// Follows a stream of events, and tells when to look again: at once for the first event, then the
// more seldom the longer a look takes, so that many who look do not keep a service busy. A stream
// that is lost comes back by itself; where there is none, the page is looked at every five seconds.
// A tab that nobody sees lets its stream go: a browser has but a few connections for all its tabs.

const POLL_MS = 5000;
const RETRY_MS = 30000;
const LEAVE_MS = 10000;
const SPACING_MS = 400;
const SHARE = 10;
const CALM_MS = 1500;
const FINAL = { 401: "signed out: reload the page", 404: "deleted" };

const state = document.getElementById("link-state");
let telling = 0;
let told = "";

// A gap of a moment is not worth telling.
function tell(words) {
  if (words === told) return;
  told = words;
  clearTimeout(telling);
  if (!words) state.textContent = "";
  else telling = setTimeout(() => { state.textContent = words; }, CALM_MS);
}

// Looks every so many milliseconds, but not while nobody does.
export function every(ms, look) {
  let isLooking = false;
  setInterval(async () => {
    if (document.hidden || isLooking) return;
    isLooking = true;
    try {
      await look();
      tell("");
    } catch (error) {
      tell(FINAL[error.status] ?? "reconnecting…");
    }
    isLooking = false;
  }, ms);
}

// where: gives the stream's address. look: an async function that brings the page up to date.
// onMessage, onLive: called with each recorded and each live-only event, as objects; onLive says
// whether to look again.
export function follow(where, { look, onMessage = () => {}, onLive = () => false }) {
  let source = null, poll = 0, waiting = 0, leaving = 0, nextAt = 0;
  let isLooking = false, isWanted = false, isAway = false, hasEnded = false;

  const lookSoon = () => {
    isWanted = true;
    if (waiting || isLooking || document.hidden) return;
    waiting = setTimeout(now, Math.max(0, nextAt - Date.now()));
  };
  const now = async () => {
    waiting = 0;
    isWanted = false;
    isLooking = true;
    const begun = Date.now();
    try {
      await look();
      if (source?.readyState !== EventSource.CONNECTING) tell("");
    } catch (error) {
      if (error.status in FINAL) {
        stop(FINAL[error.status]);
        return; // as if it looked for ever, so that it does so no more
      }
      tell("reconnecting…");
      setTimeout(lookSoon, POLL_MS);
    }
    isLooking = false;
    const took = Date.now() - begun;
    nextAt = Date.now() + Math.min(Math.max(SPACING_MS, SHARE * took), POLL_MS);
    if (isWanted) lookSoon();
  };
  const stopPolling = () => {
    clearInterval(poll);
    poll = 0;
  };
  const stop = (words) => {
    hasEnded = true;
    source?.close();
    stopPolling();
    tell(words);
  };
  const leave = () => {
    isAway = true;
    source?.close();
  };
  const onVisible = () => {
    clearTimeout(leaving);
    if (document.hidden) {
      leaving = setTimeout(leave, LEAVE_MS);
    } else {
      if (isWanted) lookSoon();
      if (isAway) {
        isAway = false;
        connect();
      }
    }
  };
  const connect = () => {
    if (isAway || hasEnded) return;
    source?.close();
    source = new EventSource(where());
    let wasOpen = false;
    source.addEventListener("open", () => {
      stopPolling();
      tell("");
      // Whatever came between the page and the stream, or while it was lost, is on the page then.
      lookSoon();
      wasOpen = true;
    });
    source.addEventListener("message", (event) => {
      onMessage(JSON.parse(event.data));
      lookSoon();
    });
    source.addEventListener("live", (event) => {
      if (onLive(JSON.parse(event.data))) lookSoon();
    });
    source.addEventListener("end", () => {
      hasEnded = true;
      source.close();
      lookSoon();
    });
    source.addEventListener("error", ({ target }) => {
      if (wasOpen || target.readyState !== EventSource.CLOSED) tell("reconnecting…");
      if (target.readyState !== EventSource.CLOSED) return;
      if (!poll) poll = setInterval(lookSoon, POLL_MS);
      setTimeout(connect, wasOpen ? POLL_MS : RETRY_MS);
    });
  };

  document.addEventListener("visibilitychange", onVisible);
  window.addEventListener("pagehide", leave);
  isAway = document.hidden;
  connect();
}
