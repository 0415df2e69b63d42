// The overview: charts, and the domains that the filter offers.

import { get } from "./api.js";
import { drawCharts } from "./charts.js";

const filters = document.querySelector("#filters");
if (filters) {
  filters.addEventListener("formdata", ({ formData }) => {
    for (const [name, value] of [...formData]) if (!value) formData.delete(name); // a short URL
  });
  const { domain } = filters.elements;
  // Listing the domains reads all mailboxes, so they are requested only when the field gets the focus.
  domain.addEventListener("focus", async () => {
    const { domains } = await get("domains").catch(() => ({ domains: [] }));
    domain.list.replaceChildren(...domains.map((one) => new Option(`${one.mailboxes} mailboxes`, one.domain)));
  }, { once: true });
  domain.addEventListener("change", () => filters.requestSubmit());
}
drawCharts();
