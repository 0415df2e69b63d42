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

export async function get(path) {
  return (await answerTo(`api/v1/${path}`)).json();
}

// A file that the API makes: by GET, or by POST if there is a body.
export async function file(path, body) {
  return (await answerTo(`api/v1/${path}`, body && asJson(body))).blob();
}

export async function send(path, body) {
  return (await answerTo(path, asJson(body))).json().catch(() => ({}));
}

function asJson(body) {
  return { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
}

async function answerTo(path, request = {}) {
  let answer;
  try {
    answer = await fetch(document.body.dataset.root + path, request);
  } catch {
    throw new Problem(0, "The server could not be reached. Check the connection and try again.", []);
  }
  if (answer.ok) return answer;
  const content = await answer.json().catch(() => ({}));
  const detail = content.detail ?? `The server answered with status ${answer.status}.`;
  throw new Problem(answer.status, detail, content.errors ?? [], content);
}
