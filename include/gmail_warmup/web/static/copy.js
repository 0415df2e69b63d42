// Put the text of an input on the clipboard.

export async function copy(input) {
  input.select();
  try {
    await navigator.clipboard.writeText(input.value);
    return true;
  } catch {
    return document.execCommand("copy"); // by plain http a browser has no clipboard to write to
  }
}
