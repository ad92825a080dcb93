// A field that holds JSON: what is wrong with it is said below it while it is typed.

/**
 * Makes `field` a JSON field that tells errors in `note`. Returns a function that reads it: an object, or undefined when
 * it holds none, and then the field has the focus. `check` may object, with a text, to an object.
 */
export function jsonField(field, note, check = () => "") {
  const read = () => {
    const { value, error, at } = parse(field.value);
    const told = error ?? check(value);
    note.textContent = told;
    field.setAttribute("aria-invalid", String(told !== ""));
    return told === "" ? { value } : { at };
  };
  field.addEventListener("input", read);
  return () => {
    const { value, at } = read();
    if (value === undefined) {
      field.focus();
      if (at !== undefined) field.setSelectionRange(at, Math.min(at + 1, field.value.length));
    }
    return value;
  };
}

/** `{value}`, or `{error, at}` with the place of the error if the browser tells it. Nothing at all is an empty object. */
export function parse(text) {
  if (text.trim() === "") return { value: {} };
  let value;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return explain(text, error.message);
  }
  if (value !== null && typeof value === "object" && !Array.isArray(value)) return { value };
  return { error: `This must be an object, such as {"text": "hello"}, and not ${kind(value)}.` };
}

function explain(text, message) {
  const at = position(text, message);
  // Browsers append the place in words of their own.
  const [what] = message.replace(/^JSON\.parse: |^JSON Parse error: /, "").split(/ in JSON at| at line| \(line|, ".*is not valid/);
  if (at === undefined) return { error: `This is no JSON: ${what}.` };
  const before = text.slice(0, at).split("\n");
  return { error: `This is no JSON: line ${before.length}, column ${before.at(-1).length + 1}: ${what}.`, at };
}

function position(text, message) {
  const [, offset] = /at position (\d+)/.exec(message) ?? [];
  if (offset !== undefined) return Number(offset);
  const [, line, column] = /line (\d+) column (\d+)/.exec(message) ?? [];
  if (line !== undefined) {
    return text.split("\n").slice(0, line - 1).reduce((sum, { length }) => sum + length + 1, 0) + Number(column) - 1;
  }
  return /Unexpected end/.test(message) ? text.length : undefined;
}

function kind(value) {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  return { string: "a text", number: "a number", boolean: "true or false" }[typeof value];
}
