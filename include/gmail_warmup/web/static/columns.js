// Choose the columns of the list. This browser remembers them in a cookie; the URL carries them, for links.

const YEAR = 365 * 86_400;
const place = document.querySelector("#columns");

function show(columns) {
  const path = new URL(document.body.dataset.root, location).pathname;
  document.cookie = `gmail_warmup_columns=${columns}; path=${path}; max-age=${YEAR}; samesite=lax`;
  const url = new URL(location);
  url.searchParams.set("columns", columns);
  location.assign(url);
}

function chosen() {
  return [...place.querySelectorAll("input:checked")].map(({ value }) => value).join(".") || "none";
}

for (const button of place?.querySelectorAll("[data-show]") ?? []) {
  button.addEventListener("click", () => show(button.dataset.show || chosen()));
}
addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !place?.open) return;
  place.open = false;
  place.querySelector("summary").focus();
});
