// Copy the text of an input to the clipboard.

export async function copy(input) {
  input.select();
  try {
    await navigator.clipboard.writeText(input.value);
    return true;
  } catch {
    return document.execCommand("copy"); // without https, the Clipboard API is not available
  }
}
