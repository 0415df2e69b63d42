// A chosen file as text. What must not be sent is refused before it leaves this browser.

const ENCODINGS = [
  ["utf-16le", [0xff, 0xfe]],
  ["utf-16be", [0xfe, 0xff]],
];
const BY_SHELL = "Import it on the server: gmail-warmup mailboxes import FILE";

export async function readFile(file, largest) {
  // UTF-16 takes two bytes for most characters, so its text may be half as long.
  if (file.size > 2 * largest) throw new Error(tooLarge(largest));
  const bytes = new Uint8Array(await file.arrayBuffer());
  const [encoding] = ENCODINGS.find(([, mark]) => mark.every((byte, place) => bytes[place] === byte)) ?? ["utf-8"];
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    throw new Error(`${file.name} is not a text in UTF-8. In a spreadsheet program, save it as "CSV UTF-8".`);
  }
}

function tooLarge(largest) {
  return `The file is larger than ${largest / 1e6} MB. ${BY_SHELL}`;
}

export function refusal(text, largest) {
  if (!text.trim()) return "Choose a file, or paste its lines.";
  if (/"format"\s*:\s*"gmail-warmup-backup"/.test(text.slice(0, 1000))) return `This is an encrypted backup. ${BY_SHELL}`;
  if (holdsToken(text)) return `The file holds refresh tokens, which must not travel through a browser. ${BY_SHELL}`;
  if (new Blob([text]).size > largest) return tooLarge(largest);
  return "";
}

function holdsToken(text) {
  const header = text.trimStart().split(/[\r\n]/, 1)[0].toLowerCase();
  const columns = header.split(/[,;\t]/).map((name) => name.replaceAll('"', "").trim());
  return /refresh_token|oauth_token|"grant"\s*:/i.test(text) || columns.includes("grant");
}
