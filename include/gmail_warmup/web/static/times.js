// Times in the viewer's own zone; the title keeps UTC.

const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

export function localTimes() {
  for (const time of document.querySelectorAll("time:not([data-keep])")) {
    const moment = new Date(time.dateTime);
    if (!Number.isNaN(moment.valueOf())) time.textContent = format.format(moment);
  }
}

// For a time that came later than the page.
export function setTime(element, iso) {
  const moment = new Date(iso);
  element.dateTime = iso;
  element.title = `${moment.toISOString().slice(0, 19).replace("T", " ")} UTC`;
  element.textContent = format.format(moment);
}
