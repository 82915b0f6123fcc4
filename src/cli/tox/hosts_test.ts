import assert from "node:assert/strict";
import { formatToxId } from "../../core/tox/tox_id.ts";
import { parseToxEnd } from "./end.ts";
import { findToxEnd, type ToxHostsFile } from "./hosts.ts";

const ID = "56A1ADE4B65B86BCD51CC73E2CD4E542179F47959FE3E0E21B4B0ACDADE51855D34D34D37CB5";
const WRONG = ID.replace(/^5/, "6");

const none: ToxHostsFile = { path: "/home/u/.config/ttun/tox-hosts", text: null, isOpen: false };
const hosts: ToxHostsFile = {
  path: "/home/u/.tuntox/hosts",
  text: `# ours\nhome ${ID} open sesame\noffice ${ID}\nmistyped ${WRONG}\n`,
  isOpen: true,
};

function find(text: string, files = [none, hosts]) {
  const warned: string[] = [];
  const { id, secret } = findToxEnd(parseToxEnd(text), (message) => warned.push(message), files);
  return { id: formatToxId(id.bytes), secret, warned };
}

Deno.test("a name stands for the Tox ID and the secret of a file of hosts", () => {
  const home = find("home");
  assert.deepEqual([home.id, home.secret], [ID, "open sesame"]);
  assert.match(home.warned.join(), /chmod 600 .*hosts/);
  assert.ok(!home.warned.join().includes("sesame"));
  assert.deepEqual(find("office"), { id: ID, secret: null, warned: [] });
  const own = { ...none, text: `home ${ID} other` };
  assert.deepEqual(find("home", [own, hosts]), { id: ID, secret: "other", warned: [] });
});

Deno.test("a Tox ID needs no file", () => {
  assert.deepEqual(find(ID.toLowerCase(), []), { id: ID, secret: null, warned: [] });
});

Deno.test("a name that no file has, a wrong ID and a wrong line are told", () => {
  assert.throws(() => find("work"), /the Tox host work: looked in .*tox-hosts and .*hosts/);
  assert.throws(() => find("work", []), /there is no HOME/);
  assert.throws(() => find("mistyped"), /a digit is wrong/);
  assert.throws(
    () => find("home", [{ ...hosts, text: "home 1234 secret" }]),
    /tuntox.hosts: .*line 1/,
  );
  assert.throws(() => parseToxEnd(WRONG), /a digit is wrong/);
  assert.throws(() => parseToxEnd("a name"), /76 hexadecimal digits/);
  assert.throws(() => parseToxEnd("-x"), /76 hexadecimal digits/);
  assert.throws(() => parseToxEnd(ID.slice(2)), /76 hexadecimal digits/);
});
