// The page of the schedule of a tag: all values are saved together.

import { post } from "./api.js";
import { clearErrors, showErrors } from "./forms.js";

const form = document.querySelector("#tag-schedule");
const error = form.querySelector("#schedule-error");
const saved = form.querySelector("#schedule-saved");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  clearErrors(form, error);
  saved.textContent = "";
  try {
    await post("schedules/tags", { tag: form.dataset.tag, values: Object.fromEntries(new FormData(form)) });
    saved.textContent = "Saved. The plans of its mailboxes follow with the next run.";
  } catch (problem) {
    showErrors(form, error, problem);
  }
});
form.addEventListener("reset", () => clearErrors(form, error));
