// Read a chosen file, and reject content that must not leave the browser.

const ENCODINGS = [
  ["utf-16le", [0xff, 0xfe]],
  ["utf-16be", [0xfe, 0xff]],
];
const ZIP = [0x50, 0x4b, 0x03, 0x04];
const MAX_UNPACKED = 100e6;
const USE_CLI = "Import it on the server: gmail-warmup mailboxes import FILE";

// The server decodes the bytes; the text is only needed to find tokens, so no letter of it has to be right.
export async function readFile(file, largest) {
  if (file.size > largest) throw new Error(tooLarge(largest));
  const bytes = new Uint8Array(await file.arrayBuffer());
  const text = startsWith(bytes, ZIP) ? await readArchive(bytes) : decode(bytes);
  return { text, content: toBase64(bytes) };
}

function startsWith(bytes, mark) {
  return mark.every((byte, place) => bytes[place] === byte);
}

function decode(bytes) {
  const [encoding] = ENCODINGS.find(([, mark]) => startsWith(bytes, mark)) ?? ["utf-8"];
  return new TextDecoder(encoding).decode(bytes).replaceAll("\0", "");
}

// Return the texts in a workbook, a ZIP archive of XML files.
async function readArchive(bytes) {
  const view = new DataView(bytes.buffer);
  const texts = [];
  for (let at = 0; at + 46 <= bytes.length; at += 1) {
    if (view.getUint32(at, true) !== 0x02014b50) continue; // an entry of the central directory
    const method = view.getUint16(at + 10, true);
    const [packed, size, start] = [20, 24, 42].map((offset) => view.getUint32(at + offset, true));
    if (size > MAX_UNPACKED || start + 30 > bytes.length) continue; // the server refuses it
    const from = start + 30 + view.getUint16(start + 26, true) + view.getUint16(start + 28, true);
    texts.push(await unpack(bytes.subarray(from, from + packed), method));
  }
  return texts.join("\n");
}

async function unpack(part, method) {
  const stream = new Blob([part]).stream();
  try {
    return await new Response(method === 8 ? stream.pipeThrough(new DecompressionStream("deflate-raw")) : stream).text();
  } catch {
    return ""; // damaged: the server says so
  }
}

function toBase64(bytes) {
  let binary = "";
  for (let at = 0; at < bytes.length; at += 32768) binary += String.fromCharCode(...bytes.subarray(at, at + 32768));
  return btoa(binary);
}

function tooLarge(largest) {
  return `The file is larger than ${largest / 1e6} MB. ${USE_CLI}`;
}

export function refusal({ text, content }, largest) {
  if (!text.trim() && !content) return "Choose a file or paste its content.";
  if (/"format"\s*:\s*"gmail-warmup-backup"/.test(text.slice(0, 1000))) return `This is an encrypted backup. ${USE_CLI}`;
  if (containsToken(text)) return `The file contains refresh tokens, which must not travel through a browser. ${USE_CLI}`;
  if (!content && new Blob([text]).size > largest) return tooLarge(largest);
  return "";
}

function containsToken(text) {
  const header = text.trimStart().split(/[\r\n]/, 1)[0].toLowerCase();
  const columns = header.split(/[,;\t|]/).map((name) => name.replaceAll('"', "").trim());
  return /refresh_token|oauth_token|"grant"\s*:/i.test(text) || columns.includes("grant");
}
