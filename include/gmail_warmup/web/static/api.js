// Calls of the JSON API. A problem is thrown with its sentence and the fields that are wrong.

export class Problem extends Error {
  constructor(status, detail, errors) {
    super(detail);
    this.status = status;
    this.errors = errors;
  }
}

export async function post(path, body) {
  let answer;
  try {
    answer = await fetch(`${document.body.dataset.root}api/v1/${path}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
  } catch {
    throw new Problem(0, "Airflow could not be reached. Check the connection and try again.", []);
  }
  const content = await answer.json().catch(() => ({}));
  if (answer.ok) return content;
  throw new Problem(answer.status, content.detail ?? `Airflow answered with status ${answer.status}.`, content.errors ?? []);
}
