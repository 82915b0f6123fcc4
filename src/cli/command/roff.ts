/** This is the subset of man(7) that the manual page needs. */

export function text(plain: string): string {
  const escaped = plain
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replaceAll("'", "\\(aq")
    .replaceAll("`", "\\(ga")
    .replaceAll("^", "\\(ha")
    .replaceAll("~", "\\(ti")
    .replaceAll('"', "\\(dq")
    .replaceAll("—", "\\(em")
    .replaceAll("…", "...");
  const strange = /[^\n\x20-\x7e]/.exec(escaped);
  if (strange !== null) throw new Error(`Cannot write ${strange[0]} in roff: ${plain}`);
  // A full stop at the beginning of a line is a request.
  return escaped.replace(/^\./gm, "\\&.");
}

export function bold(plain: string): string {
  return `\\fB${text(plain)}\\fR`;
}

export function italic(plain: string): string {
  return `\\fI${text(plain)}\\fR`;
}

export function section(title: string, ...lines: string[]): string {
  return [`.SH ${quoted(title.toUpperCase())}`, ...lines].join("\n");
}

export function subsection(title: string, ...lines: string[]): string {
  return [`.SS ${quoted(title)}`, ...lines].join("\n");
}

export function item(term: string, meaning: string): string {
  return `.TP\n${term}\n${text(meaning)}`;
}

export function paragraph(...plain: string[]): string {
  return `.PP\n${plain.map(text).join("\n")}`;
}

export function example(...lines: string[]): string {
  return [".PP", ".RS 4", ".nf", ...lines.map(text), ".fi", ".RE"].join("\n");
}

export function header(name: string, chapter: number, source: string, manual: string): string {
  return `.TH ${[name.toUpperCase(), String(chapter), "", source, manual].map(quoted).join(" ")}`;
}

function quoted(plain: string): string {
  return `"${text(plain)}"`;
}
