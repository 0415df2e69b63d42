// Read a chosen file as text, and reject content that must not leave the browser.

const ENCODINGS = [
  ["utf-16le", [0xff, 0xfe]],
  ["utf-16be", [0xfe, 0xff]],
];
const USE_CLI = "Import it on the server: gmail-warmup mailboxes import FILE";

export async function readFile(file, largest) {
  // UTF-16 needs two bytes for most characters, so its text may be half as long.
  if (file.size > 2 * largest) throw new Error(tooLarge(largest));
  const bytes = new Uint8Array(await file.arrayBuffer());
  const [encoding] = ENCODINGS.find(([, mark]) => mark.every((byte, place) => bytes[place] === byte)) ?? ["utf-8"];
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    throw new Error(`${file.name} is not UTF-8 text. In a spreadsheet program, save it as "CSV UTF-8".`);
  }
}

function tooLarge(largest) {
  return `The file is larger than ${largest / 1e6} MB. ${USE_CLI}`;
}

export function refusal(text, largest) {
  if (!text.trim()) return "Choose a file or paste its content.";
  if (/"format"\s*:\s*"gmail-warmup-backup"/.test(text.slice(0, 1000))) return `This is an encrypted backup. ${USE_CLI}`;
  if (containsToken(text)) return `The file contains refresh tokens, which must not travel through a browser. ${USE_CLI}`;
  if (new Blob([text]).size > largest) return tooLarge(largest);
  return "";
}

function containsToken(text) {
  const header = text.trimStart().split(/[\r\n]/, 1)[0].toLowerCase();
  const columns = header.split(/[,;\t]/).map((name) => name.replaceAll('"', "").trim());
  return /refresh_token|oauth_token|"grant"\s*:/i.test(text) || columns.includes("grant");
}
