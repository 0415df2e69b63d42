// Follow the light or dark mode of Airflow's shell. It runs before the first paint, so it is not a module.
(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  let shell = null;
  try {
    if (parent !== window) shell = parent.document.documentElement;
  } catch {
    shell = null; // a frame of another origin: use the mode of the system
  }
  const apply = () => {
    const names = shell ? shell.classList : null;
    const dark = names && (names.contains("dark") || names.contains("light")) ? names.contains("dark") : system.matches;
    root.classList.toggle("dark", dark);
  };
  apply();
  system.addEventListener("change", apply);
  if (shell) new MutationObserver(apply).observe(shell, { attributes: true, attributeFilter: ["class"] });
})();
