/**
 * Script of the agent's page, which its security policy names by its hash. Whatever comes from a
 * visitor or a service becomes text of a node, never markup.
 */
export const PAGE_SCRIPT = String.raw`
"use strict";
const MOST_ROWS = 500;
const list = document.getElementById("list");
const detail = document.getElementById("detail");
const state = document.getElementById("state");
const table = document.createElement("table");
const rows = new Map();
let chosen = null;
let asked = 0;
list.append(table);

function element(name, text, kind) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (kind !== undefined) made.className = kind;
  return made;
}

function size(count) {
  if (count < 1000) return count + " B";
  return count < 1e6 ? (count / 1e3).toFixed(1) + " kB" : (count / 1e6).toFixed(1) + " MB";
}

function take(one) {
  let row = rows.get(one.id);
  if (row === undefined) {
    row = element("tr", undefined, "one");
    row.addEventListener("click", () => choose(one.id, false));
    rows.set(one.id, row);
    table.prepend(row);
    if (rows.size > MOST_ROWS) {
      const oldest = rows.keys().next().value;
      rows.get(oldest).remove();
      rows.delete(oldest);
    }
  }
  row.replaceChildren(
    element("td", new Date(one.began).toLocaleTimeString()),
    element("td", one.service),
    element("td", one.method),
    element("td", one.path, "path"),
    element("td", one.status === null ? (one.took === null ? "…" : "–") : String(one.status)),
    element("td", one.took === null ? "" : one.took + " ms"),
    element("td", one.replayOf === null ? "" : "again " + one.replayOf),
  );
  if (one.id === chosen) choose(one.id, false);
}

function fields(all) {
  const made = element("table", undefined, "fields");
  for (const { name, value } of all) {
    const row = element("tr");
    row.append(element("td", name), element("td", value === null ? "(hidden)" : value));
    made.append(row);
  }
  return made;
}

function words(bytes) {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    if (!text.includes("\0")) return text;
  } catch {
    // It is no text.
  }
  const lines = [];
  for (let at = 0; at < bytes.length && at < 4096; at += 16) {
    const part = [...bytes.subarray(at, at + 16)];
    lines.push(at.toString(16).padStart(6, "0") + "  " +
      part.map((byte) => byte.toString(16).padStart(2, "0")).join(" "));
  }
  if (bytes.length > 4096) lines.push("…");
  return lines.join("\n");
}

async function body(id, which, sizes) {
  const made = element("div");
  if (sizes.total === 0) return made;
  const rest = sizes.total > sizes.kept ? ", of which " + size(sizes.kept) + " are kept" : "";
  made.append(element("h2", "Body: " + size(sizes.total) + rest));
  const answer = await fetch("exchanges/" + id + "/" + which);
  if (answer.ok) made.append(element("pre", words(new Uint8Array(await answer.arrayBuffer()))));
  return made;
}

async function again(one) {
  const answer = await fetch("exchanges/" + one.id + "/replay", {
    method: "POST",
    headers: { "Ttun-Nonce": one.nonce },
  });
  state.textContent = answer.ok ? "sent again" : await answer.text();
  if (!answer.ok) choose(one.id, false);
}

async function choose(id, withSecrets) {
  const turn = ++asked;
  if (chosen !== id) rows.get(chosen)?.classList.remove("chosen");
  chosen = id;
  rows.get(id)?.classList.add("chosen");
  const answer = await fetch("exchanges/" + id + (withSecrets ? "?secrets=1" : ""));
  if (turn !== asked) return;
  if (!answer.ok) return detail.replaceChildren(element("p", await answer.text()));
  const one = await answer.json();
  const { request, response } = one;
  const parts = [];
  const buttons = element("p");
  const repeat = element("button", "Send again");
  repeat.disabled = !one.mayReplay;
  repeat.addEventListener("click", () => again(one));
  const show = element("button", "Show what is hidden");
  show.addEventListener("click", () => choose(id, true));
  buttons.append(repeat, show);
  parts.push(buttons);
  parts.push(element("p", "From " + one.visitor + ", request " + one.requestId));
  parts.push(element("h2", request.method + " " + request.path + " (" + request.authority + ")"));
  parts.push(fields(request.fields));
  parts.push(await body(id, "request", request.body));
  if (response === null) parts.push(element("h2", one.took === null ? "No answer yet" : "No answer"));
  else {
    parts.push(element("h2", response.status + " " + response.reason));
    parts.push(fields(response.fields));
    parts.push(await body(id, "response", response.body));
  }
  if (turn === asked) detail.replaceChildren(...parts);
}

const events = new EventSource("events");
events.addEventListener("open", () => {
  state.textContent = "live";
});
events.addEventListener("error", () => {
  state.textContent = "not connected";
});
events.addEventListener("message", (event) => {
  for (const one of JSON.parse(event.data)) take(one);
});
`;
