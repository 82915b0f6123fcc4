import type { SiteEntry } from "../../../contract/site_folder.ts";

/** Returns a page that leads to a folder's files. `path`: of the folder, "" = the topmost one. */
export function listingPage(path: string, entries: readonly SiteEntry[]): string {
  const all = path === "" ? entries : [{ name: "..", isFolder: true }, ...entries];
  const lines = all.map(({ name, isFolder }) => {
    const slash = isFolder ? "/" : "";
    // "./" keeps a name with a colon from being read as a scheme.
    return `<li><a href="./${encodeURIComponent(name)}${slash}">${escaped(name)}${slash}</a></li>`;
  });
  const title = escaped(`/${path}`);
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>${title}</title>
<h1>${title}</h1>
<ul>
${lines.join("\n")}
</ul>
</html>
`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
