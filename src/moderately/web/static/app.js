// What every page has: the theme switch, the help dialog, and times in the viewer's zone.

import { localTimes } from "./times.js";
import { setUpTheme } from "./switch.js";
import { onKey } from "./keys.js";

const help = document.getElementById("help");
const button = document.getElementById("help-button");
button.hidden = false;
button.addEventListener("click", () => help.showModal());
onKey("?", () => help.showModal());
setUpTheme(document.getElementById("theme"));
localTimes(document);
