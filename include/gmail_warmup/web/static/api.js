// Calls of the JSON API. An error response is thrown as a Problem with its detail, field errors and content.

class Problem extends Error {
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
  return (await request(`api/v1/${path}`)).json();
}

// Download a file.
export async function file(path, body) {
  return (await request(`api/v1/${path}`, asJson(body))).blob();
}

export async function send(path, body) {
  return (await request(path, asJson(body))).json().catch(() => ({}));
}

function asJson(body) {
  return { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
}

async function request(path, options = {}) {
  let response;
  try {
    response = await fetch(document.body.dataset.root + path, options);
  } catch {
    throw new Problem(0, "The server could not be reached. Check the connection and try again.", []);
  }
  if (response.ok) return response;
  const content = await response.json().catch(() => ({}));
  const detail = content.detail ?? `The server returned status ${response.status}.`;
  throw new Problem(response.status, detail, content.errors ?? [], content);
}
