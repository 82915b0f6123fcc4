import type { SiteEntry } from "../../../contract/site_folder.ts";

/** Names of a folder's page. */
const MOST = 10_000;

/** Returns a page that leads to a folder's files. `path`: of the folder, "" = the topmost one. */
export function listingPage(path: string, entries: readonly SiteEntry[]): string {
  const shown = entries.filter(({ name }) => !name.startsWith(".")).slice(0, MOST);
  const all = path === "" ? shown : [{ name: "..", isFolder: true }, ...shown];
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
