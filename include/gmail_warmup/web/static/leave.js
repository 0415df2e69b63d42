// Leaving Airflow's frame. Its sandbox blocks _top and pop-ups, and Google's page refuses to be framed.

export function framed() {
  return parent !== window;
}

export function leave(url) {
  if (!framed()) {
    location.assign(url);
    return;
  }
  // A link of the shell's own document is followed by the shell, whatever the frame's sandbox says.
  const link = parent.document.createElement("a");
  link.href = url;
  link.rel = "noreferrer";
  parent.document.body.append(link);
  link.click();
  link.remove();
}
