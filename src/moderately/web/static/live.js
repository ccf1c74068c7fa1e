// Follows a stream of events, and tells when to look again: at once for the first event, then the
// more seldom the longer a look takes, so that many who look do not keep a service busy. A stream that is lost comes back by itself; where there is none,
// the page is looked at every five seconds.

const POLL_MS = 5000;
const SPACING_MS = 400;
const SHARE = 10;
const CALM_MS = 1500;
const SIGNED_OUT = 401;

const state = document.getElementById("link-state");
let telling = 0;

// A gap of a moment is not worth telling.
function tell(words) {
  if (!words) {
    clearTimeout(telling);
    telling = 0;
    state.textContent = "";
  } else if (!telling) {
    telling = setTimeout(() => { state.textContent = words; }, CALM_MS);
  }
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
    } catch {
      tell("reconnecting…");
    }
    isLooking = false;
  }, ms);
}

// url: where the stream is. look: an async function that brings the page up to date.
// onMessage, onLive: called with each recorded and each live-only event, as objects.
// Gives a function that ends it all.
export function follow(url, { look, onMessage = () => {}, onLive = () => {} }) {
  let source = null, poll = 0, waiting = 0, nextAt = 0, isLooking = false, isWanted = false;

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
      if (poll) tell("");
    } catch (error) {
      if (error.status === SIGNED_OUT) {
        stop();
        tell("signed out: reload the page");
      } else {
        tell("reconnecting…");
        setTimeout(lookSoon, POLL_MS);
      }
    }
    isLooking = false;
    const took = Date.now() - begun;
    nextAt = Date.now() + Math.min(Math.max(SPACING_MS, SHARE * took), POLL_MS);
    if (isWanted) lookSoon();
  };
  const startPolling = () => {
    if (!poll) poll = setInterval(lookSoon, POLL_MS);
  };
  const stopPolling = () => {
    clearInterval(poll);
    poll = 0;
  };
  const stop = () => {
    source?.close();
    stopPolling();
    clearTimeout(waiting);
    document.removeEventListener("visibilitychange", onVisible);
    tell("");
  };
  const onVisible = () => {
    if (!document.hidden && isWanted) lookSoon();
  };
  const connect = () => {
    source = new EventSource(url);
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
    source.addEventListener("live", (event) => onLive(JSON.parse(event.data)));
    source.addEventListener("end", () => {
      source.close();
      lookSoon();
    });
    source.addEventListener("error", () => {
      if (source.readyState !== EventSource.CLOSED) {
        tell("reconnecting…");
      } else if (wasOpen) {
        tell("reconnecting…");
        setTimeout(connect, POLL_MS);
      } else {
        startPolling();
      }
    });
  };

  document.addEventListener("visibilitychange", onVisible);
  connect();
  return stop;
}
