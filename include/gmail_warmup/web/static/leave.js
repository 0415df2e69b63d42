// Leave Airflow's frame: its sandbox blocks _top and pop-ups, and Google's page cannot be framed.

export function framed() {
  return parent !== window;
}

export function leave(url) {
  if (!framed()) {
    location.assign(url);
    return;
  }
  // The sandbox of the frame does not apply to a link in the document of the shell.
  const link = parent.document.createElement("a");
  link.href = url;
  link.rel = "noreferrer";
  parent.document.body.append(link);
  link.click();
  link.remove();
}
