// The theme: the system's own, light or dark; remembered in this browser.

const NEXT = { "": "light", light: "dark", dark: "" };
const WORDS = { "": "auto", light: "light", dark: "dark" };

export function setUpTheme(button) {
  const root = document.documentElement;
  const show = () => {
    const theme = root.dataset.theme ?? "";
    button.textContent = `◐ ${WORDS[theme]}`;
    button.setAttribute("aria-label", `Theme: ${WORDS[theme]}`);
  };
  button.hidden = false;
  button.addEventListener("click", () => {
    const theme = NEXT[root.dataset.theme ?? ""];
    if (theme) root.dataset.theme = theme;
    else delete root.dataset.theme;
    try {
      if (theme) localStorage.setItem("theme", theme);
      else localStorage.removeItem("theme");
    } catch {
      // Storage may be off: then it lasts as long as the page.
    }
    show();
  });
  show();
}
