// Edit several mailboxes: a field shows the common value, and only edited fields are saved.

const NAMES = ["kind", "daily_target", "timezone", "display_name", "owner_email"];
const TAGS = ["add_tags", "remove_tags"];

export function editForm(form) {
  const touched = new Set();
  const show = () => {
    const labels = [...touched].map((name) => label(form.elements[name]));
    form.querySelector("#edit-touched").textContent = labels.length
      ? `Changes: ${labels.join("; ")}.`
      : "No changes yet.";
    form.querySelector(".primary").disabled = !labels.length;
  };
  form.addEventListener("input", (event) => {
    touched.add(event.target.name);
    event.target.closest(".field").classList.add("touched");
    show();
  });
  return {
    begin(settings) {
      touched.clear();
      NAMES.forEach((name, place) => begin(form.elements[name], settings.map((values) => values[place])));
      for (const name of TAGS) beginTags(form.elements[name]);
      for (const input of form.querySelectorAll("[data-schedule]")) begin(input, []);
      show();
    },
    get changes() {
      return Object.fromEntries([...touched].map((name) => [name, form.elements[name].value.trim()]));
    },
  };
}

function begin(input, values) {
  const same = values.length > 0 && values.every((value) => value === values[0]);
  input.value = same ? values[0] ?? "" : "";
  if (input.tagName === "INPUT") input.placeholder = same ? "" : "multiple values";
  input.closest(".field").classList.remove("touched");
}

function beginTags(input) {
  input.value = "";
  input.closest(".field").classList.remove("touched");
}

function label(input) {
  return input.labels[0].firstChild.textContent.trim();
}
