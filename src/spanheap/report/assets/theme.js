/* Light, dark, or as the system has it. Remembered where the browser lets a file remember something. */
report.theme = (function () {
  const button = document.getElementById("theme");
  const names = { "": ["auto", "as the system"], light: ["light", "light"], dark: ["dark", "dark"] };
  const system = matchMedia("(prefers-color-scheme: dark)");
  let chosen = "";
  try {
    chosen = localStorage.getItem("spanheap-theme") || "";
  } catch { /* not here */ }
  if (!(chosen in names)) chosen = "";

  function apply() {
    if (chosen) document.documentElement.dataset.theme = chosen;
    else delete document.documentElement.dataset.theme;
    button.textContent = "Theme: " + names[chosen][0];
    button.setAttribute("aria-label", "Theme: " + names[chosen][1]);
  }

  function start(changed) {
    apply();
    button.addEventListener("click", () => {
      /* The first click always changes something. */
      const order = system.matches ? ["", "light", "dark"] : ["", "dark", "light"];
      chosen = order[(order.indexOf(chosen) + 1) % order.length];
      try {
        localStorage.setItem("spanheap-theme", chosen);
      } catch { /* not here */ }
      apply();
      changed();
    });
    system.addEventListener("change", changed);
  }
  return { start };
})();
