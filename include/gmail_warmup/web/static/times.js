// Show times in the viewer's time zone; the title keeps UTC.

const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const thisYear = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const anotherYear = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });

function formatDay(moment) {
  return (moment.getFullYear() === new Date().getFullYear() ? thisYear : anotherYear).format(moment);
}

function format(moment) {
  return `${formatDay(moment)}, ${clock.format(moment)}`;
}

// A relative time is rendered by the server; its title is the exact time in the viewer's time zone and in UTC.
export function localTimes() {
  for (const place of document.querySelectorAll("time[data-exact]")) {
    place.title = `${format(new Date(place.dateTime))} (${place.title})`;
  }
  for (const place of document.querySelectorAll("time[data-day]")) {
    place.textContent = formatDay(new Date(`${place.dateTime}T00:00`)); // a date of the page, in no time zone
  }
  for (const place of document.querySelectorAll("time:not([data-keep], [data-exact], [data-day])")) {
    const moment = new Date(place.dateTime);
    if (!Number.isNaN(moment.valueOf())) place.textContent = format(moment);
  }
}

// Set a time that was loaded after the page.
export function setTime(element, iso) {
  const moment = new Date(iso);
  element.dateTime = iso;
  element.title = `${moment.toISOString().slice(0, 19).replace("T", " ")} UTC`;
  element.textContent = format(moment);
}
