// Calls of the JSON API. A problem is thrown with its sentence, the fields that are wrong, and all that was answered.

export class Problem extends Error {
  constructor(status, detail, errors, content = {}) {
    super(detail);
    this.status = status;
    this.errors = errors;
    this.content = content;
  }
}

export function post(path, body) {
  return send(`api/v1/${path}`, body);
}

export async function send(path, body) {
  let answer;
  try {
    answer = await fetch(document.body.dataset.root + path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
  } catch {
    throw new Problem(0, "The server could not be reached. Check the connection and try again.", []);
  }
  const content = await answer.json().catch(() => ({}));
  if (answer.ok) return content;
  throw new Problem(answer.status, content.detail ?? `The server answered with status ${answer.status}.`, content.errors ?? []);
}
