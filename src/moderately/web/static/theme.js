// Sets the remembered theme before anything is painted. Not a module: those run too late for that.
try {
  const remembered = localStorage.getItem("theme");
  if (remembered) document.documentElement.dataset.theme = remembered;
} catch {
  // Storage may be off: the system's own theme it is.
}
