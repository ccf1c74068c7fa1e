// A link on another site brings no cookie along, so that who is signed in is asked for the key.
// Whoever comes from here does bring it: look whether that is so, and go on.

const target = document.querySelector("input[name=next]").value;
const reply = await fetch(target, { method: "HEAD", headers: { "x-fragment": "session" } });
if (reply.ok) location.replace(target);
