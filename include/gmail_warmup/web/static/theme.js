// Follows Airflow's shell, light or dark; runs before the first paint, so it is no module.
(() => {
  const own = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  let shell = null;
  try {
    if (parent !== window) shell = parent.document.documentElement;
  } catch {
    shell = null; // a frame of another origin: the system decides
  }
  const apply = () => {
    const names = shell ? shell.classList : null;
    const dark = names && (names.contains("dark") || names.contains("light")) ? names.contains("dark") : system.matches;
    own.classList.toggle("dark", dark);
  };
  apply();
  system.addEventListener("change", apply);
  if (shell) new MutationObserver(apply).observe(shell, { attributes: true, attributeFilter: ["class"] });
})();
