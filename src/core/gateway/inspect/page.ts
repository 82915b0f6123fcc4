import { sha256 } from "@noble/hashes/sha2.js";
import { utf8 } from "../../../base/bytes.ts";
import { fromLatin1 } from "../../../base/latin1.ts";
import { PAGE_SCRIPT } from "./page_script.ts";
import { PAGE_STYLE } from "./page_style.ts";

/** The agent's page, as HTML. */
export const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>ttun mesh publish</title>
<style>${PAGE_STYLE}</style>
</head>
<body>
<header><h1>Requests to this agent's services</h1><span id="state">connecting</span></header>
<main id="list"></main>
<section id="detail"></section>
<script>${PAGE_SCRIPT}</script>
</body>
</html>
`;

/** Lets the page run its own script and use its own style, ask its own server, and nothing else. */
export const PAGE_POLICY = [
  "default-src 'none'",
  `script-src '${hashOf(PAGE_SCRIPT)}'`,
  `style-src '${hashOf(PAGE_STYLE)}'`,
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join("; ");

function hashOf(text: string): string {
  return `sha256-${btoa(fromLatin1(sha256(utf8(text))))}`;
}
